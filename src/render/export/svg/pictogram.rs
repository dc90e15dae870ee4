//! Small pictures of what a component is, drawn for this project on a field of 28 by 28: strokes only, so that one class
//! colours them in light and dark.

use crate::render::export::model::Category;

/// Path data of a category.
pub fn path(category: Category) -> &'static str {
    match category {
        // two gates and what passes between them
        Category::Network => "M14 2 26 8v12l-12 6L2 20V8ZM8 14h12m-4-4 4 4-4 4",
        // a way that forks
        Category::Routes => "M14 26V14M14 14 5 5m9 9 9-9M5 11V5h6m6 0h6v6",
        // a shield
        Category::Security => "M14 2 25 6v8c0 6-5 10-11 12C8 24 3 20 3 14V6ZM9 14l4 4 7-8",
        // a chip
        Category::Compute => "M7 7h14v14H7ZM11 7V2m6 5V2m-6 24v-5m6 5v-5M7 11H2m5 6H2m24-6h-5m5 6h-5",
        // a wheel
        Category::Containers => "M14 3 24 8l2 10-7 8H9l-7-8L4 8ZM14 10v-7m4 11 6-6m-7 9 5 6m-11-6-5 6m4-9L4 8M14 10a4 4 0 1 0 .1 0",
        // braces around a stroke
        Category::Functions => "M9 3C4 3 7 13 3 14c4 1 1 11 6 11M19 3c5 0 2 10 6 11-4 1-1 11-6 11M16 9l-4 10",
        // a drum
        Category::Database => "M4 7c0-6 20-6 20 0v14c0 6-20 6-20 0ZM4 7c0 6 20 6 20 0M4 14c0 6 20 6 20 0",
        // a bucket
        Category::Storage => "M3 7c0-5 22-5 22 0l-3 16c-2 4-14 4-16 0ZM3 7c0 5 22 5 22 0",
        // one that becomes three
        Category::Edge => "M2 14h8m4 0h12M14 14 26 5m-12 9 12 9M10 10h4v8h-4ZM22 4h4v4m0 12v4h-4",
        // waves
        Category::Messaging => "M2 8c4-5 8-5 12 0s8 5 12 0M2 15c4-5 8-5 12 0s8 5 12 0M2 22c4-5 8-5 12 0s8 5 12 0",
        // a pulse on a screen
        Category::Monitoring => "M3 5h22v15H3ZM9 25h10M7 13h4l2-5 3 9 2-4h3",
        // a box
        Category::Other => "M14 2 25 8v12l-11 6L3 20V8ZM3 8l11 6 11-6M14 14v12",
    }
}
