//! The local runner with the real terraform (`terraform_data` needs neither a provider nor a network).

mod applying;
mod fakes;
mod leaks;
mod planning;
mod recovery;

pub(super) use fakes::MemoryBlobs;
