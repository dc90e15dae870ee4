//! Sizes of the letters, from the title of the picture to the smallest. A picture of some 1,500 pixels is shown at about
//! 900 in a document: the smallest must survive that.

/// Title of the picture.
pub const TITLE_SIZE: u32 = 24;
/// Name of a box.
pub const BOX_SIZE: u32 = 16;
/// Name of a workload.
pub const NAME_SIZE: u32 = 16;
/// Name of a gateway or a table.
pub const SMALL_NAME_SIZE: u32 = 14;
/// What is said about a box; words on lines; the legend.
pub const SMALL_SIZE: u32 = 13;
/// The service on a card; names of attached tables.
pub const TINY_SIZE: u32 = 12;
/// What a bold name is measured at: bold letters are about a fourteenth broader.
pub const BOX_MEASURE: u32 = 17;
/// See [`BOX_MEASURE`].
pub const NAME_MEASURE: u32 = 17;
/// See [`BOX_MEASURE`].
pub const SMALL_NAME_MEASURE: u32 = 15;
