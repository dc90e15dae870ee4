//! Archives from memory to memory: zip and tar.gz with sorted names and fixed times, so that the same files are the same
//! bytes; and reading with limits. Only plain files with relative names, on the way out and on the way in.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read, Write};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// Why an archive was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A name that could leave the folder it is unpacked in, or that a file system takes for another.
    #[error("archive entry name {name:?} is not allowed: {why}")]
    Name {
        /// the name, cut
        name: String,
        /// what is wrong with it
        why: &'static str,
    },
    /// An entry that is no plain file.
    #[error("archive entry {name:?} is not a plain file")]
    Kind {
        /// its name, cut
        name: String,
    },
    /// One name twice.
    #[error("archive has the entry {name:?} twice")]
    Twice {
        /// the name, cut
        name: String,
    },
    /// More than the caller allows.
    #[error("archive is refused: {what} more than {limit}")]
    TooMuch {
        /// what there is too much of
        what: &'static str,
        /// the limit that was passed
        limit: u64,
    },
    /// An entry that is not text.
    #[error("archive entry {name:?} is not UTF-8 text")]
    Text {
        /// its name, cut
        name: String,
    },
    /// The writer of the format failed.
    #[error("write archive")]
    Write(#[source] io::Error),
    /// The bytes are not such an archive.
    #[error("read archive")]
    Read(#[source] io::Error),
}

/// Limits of reading: an archive is somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// most entries
    pub entries: usize,
    /// most bytes of all entries together, unpacked
    pub bytes: u64,
    /// most unpacked bytes per packed byte of the whole archive
    pub ratio: u64,
}

impl Default for Caps {
    /// 300 files and 4 MiB: a design of 200 components is about 0.5 MiB. Text packs about ten to one, repeated blocks up
    /// to sixty; a hundred to one is a bomb.
    fn default() -> Caps {
        Caps { entries: 300, bytes: 4 << 20, ratio: 100 }
    }
}

/// Longest name of an entry: what a ustar header holds without extensions.
const MAX_NAME: usize = 100;

fn shown(name: &str) -> String {
    name.chars().take(80).collect()
}

/// Whether a name may stand in an archive: relative, `/` between plain parts.
pub fn check_name(name: &str) -> Result<(), Error> {
    let fail = |why| Err(Error::Name { name: shown(name), why });
    let reserved = |part: &str| {
        let stem = part.split('.').next().unwrap_or_default().to_ascii_lowercase();
        matches!(stem.as_str(), "con" | "prn" | "aux" | "nul")
            || (stem.len() == 4 && (stem.starts_with("com") || stem.starts_with("lpt")) && stem.ends_with(|c: char| c.is_ascii_digit()))
    };
    match name {
        "" => fail("it is empty"),
        _ if name.len() > MAX_NAME => fail("it is longer than 100 bytes"),
        _ if name.starts_with('/') => fail("it is absolute"),
        _ if name.split('/').any(|part| part.is_empty() || part == "." || part == "..") => fail("it has an empty, `.` or `..` part"),
        _ if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')) => {
            fail("it has characters beside letters, digits, `.`, `_`, `-` and `/`")
        }
        _ if name.split('/').any(reserved) => fail("it is a device on some systems"),
        _ => Ok(()),
    }
}

/// A zip of text files.
pub fn zip(files: &BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let failed = |error: zip::result::ZipError| Error::Write(error.into());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in files {
        check_name(name)?;
        writer.start_file(name.as_str(), options).map_err(failed)?;
        writer.write_all(text.as_bytes()).map_err(Error::Write)?;
    }
    Ok(writer.finish().map_err(failed)?.into_inner())
}

/// A tar.gz of text files: ustar headers, owner 0, mode 0644, time 0.
pub fn tar_gz(files: &BTreeMap<String, String>) -> Result<Vec<u8>, Error> {
    let packer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
    let mut builder = tar::Builder::new(packer);
    for (name, text) in files {
        check_name(name)?;
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(text.len().try_into().map_err(|_| Error::TooMuch { what: "bytes", limit: u64::MAX })?);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        builder.append_data(&mut header, name, text.as_bytes()).map_err(Error::Write)?;
    }
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).map_err(Error::Write)
}

/// What is taken out of an archive, counted against the limits.
struct Taken {
    caps: Caps,
    packed: u64,
    bytes: u64,
    files: BTreeMap<String, String>,
}

impl Taken {
    fn new(packed: usize, caps: Caps) -> Taken {
        Taken { caps, packed: u64::try_from(packed).unwrap_or(u64::MAX), bytes: 0, files: BTreeMap::new() }
    }

    /// How many more bytes may come out.
    fn room(&self) -> u64 {
        self.caps.bytes.min(self.packed.saturating_mul(self.caps.ratio)).saturating_sub(self.bytes)
    }

    fn too_much(&self) -> Error {
        if self.packed.saturating_mul(self.caps.ratio) < self.caps.bytes {
            Error::TooMuch { what: "bytes per packed byte", limit: self.caps.ratio }
        } else {
            Error::TooMuch { what: "bytes", limit: self.caps.bytes }
        }
    }

    /// Reads one entry. The size in its header is not believed: what comes out is counted.
    fn take(&mut self, name: &str, entry: &mut impl Read) -> Result<(), Error> {
        check_name(name)?;
        if self.files.len() >= self.caps.entries {
            return Err(Error::TooMuch { what: "entries", limit: u64::try_from(self.caps.entries).unwrap_or(u64::MAX) });
        }
        let room = self.room();
        let mut content = Vec::new();
        let read = entry.take(room.saturating_add(1)).read_to_end(&mut content).map_err(Error::Read)?;
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        if read > room {
            return Err(self.too_much());
        }
        self.bytes += read;
        let text = String::from_utf8(content).map_err(|_| Error::Text { name: shown(name) })?;
        match self.files.insert(name.to_owned(), text) {
            None => Ok(()),
            Some(_) => Err(Error::Twice { name: shown(name) }),
        }
    }
}

/// Reads a tar.gz of text files. Folders are passed over; links, devices and everything else refuse the whole archive.
pub fn read_tar_gz(bytes: &[u8], caps: Caps) -> Result<BTreeMap<String, String>, Error> {
    let mut taken = Taken::new(bytes.len(), caps);
    // headers count too: an archive of nothing but headers ends here
    let blocks = u64::try_from(caps.entries).unwrap_or(u64::MAX).saturating_add(2).saturating_mul(1024);
    let stream = GzDecoder::new(bytes).take(caps.bytes.saturating_add(blocks));
    let mut archive = tar::Archive::new(stream);
    let mut seen = 0;
    for entry in archive.entries().map_err(Error::Read)?.raw(true) {
        let mut entry = entry.map_err(Error::Read)?;
        seen += 1;
        if seen > caps.entries {
            return Err(Error::TooMuch { what: "entries", limit: u64::try_from(caps.entries).unwrap_or(u64::MAX) });
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => check_name(name.trim_end_matches('/'))?,
            tar::EntryType::Regular => taken.take(&name, &mut entry)?,
            _ => return Err(Error::Kind { name: shown(&name) }),
        }
    }
    Ok(taken.files)
}

/// Reads a zip of text files, under the same rules as [`read_tar_gz`].
pub fn read_zip(bytes: &[u8], caps: Caps) -> Result<BTreeMap<String, String>, Error> {
    let failed = |error: zip::result::ZipError| Error::Read(error.into());
    let mut taken = Taken::new(bytes.len(), caps);
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(failed)?;
    if archive.len() > caps.entries {
        return Err(Error::TooMuch { what: "entries", limit: u64::try_from(caps.entries).unwrap_or(u64::MAX) });
    }
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(failed)?;
        let name = entry.name().map_err(failed)?.into_owned();
        // the upper bits of the mode tell links and devices; zips from other systems have none
        let plain = entry.unix_mode().is_none_or(|mode| matches!(mode & 0o170_000, 0 | 0o100_000 | 0o040_000));
        if entry.encrypted() || !plain {
            return Err(Error::Kind { name: shown(&name) });
        }
        if entry.is_dir() {
            check_name(name.trim_end_matches('/'))?;
        } else {
            taken.take(&name, &mut entry)?;
        }
    }
    Ok(taken.files)
}
