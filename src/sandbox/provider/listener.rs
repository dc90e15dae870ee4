//! The unix socket: 0600 in a 0700 directory, put in place by rename so that it can be dialled from the moment it exists, and
//! connections that are counted and carry what Terraform configured over them.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt, wrappers::UnixListenerStream};
use tonic::transport::server::Connected;

use super::super::api::{DEFAULT_REGION, Region};
use super::Error;

/// Longest socket path: `sun_path` has 108 bytes, one of them the final zero.
const PATH_MAX: usize = 107;

/// A bound socket.
pub(super) struct Socket {
    path: PathBuf,
    inode: u64,
}

impl Socket {
    /// Binds beside the path and renames over it. Whoever served there before notices and leaves.
    pub(super) fn bind(path: &Path) -> Result<(Socket, UnixListener), Error> {
        let failed = |action| {
            let path = path.to_owned();
            move |source| Error::Socket { action, path, source }
        };
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = dir.join(format!(".{}", std::process::id()));
        let length = path.as_os_str().as_bytes().len().max(beside.as_os_str().as_bytes().len());
        if length > PATH_MAX {
            return Err(Error::PathTooLong { path: path.to_owned(), length, most: PATH_MAX });
        }
        DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(failed("create the directory of"))?;
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("prepare")(error)),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(&beside).map_err(failed("bind"))?;
        fs::set_permissions(&beside, Permissions::from_mode(0o600)).map_err(failed("restrict"))?;
        let inode = fs::metadata(&beside).map_err(failed("look at"))?.ino();
        fs::rename(&beside, path).map_err(failed("put in place"))?;
        Ok((Socket { path: path.to_owned(), inode }, listener))
    }

    /// Whether the file is still this socket.
    pub(super) fn is_ours(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode)
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.is_ours() {
            // Nothing is lost when it stays: the next one renames over it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// What Terraform configured over a connection: each provider instance has its own connection.
#[derive(Clone, Default)]
pub(super) struct Session {
    region: Arc<OnceLock<Region>>,
}

impl Session {
    /// Configures the connection; the first configuration stays.
    pub(super) fn configure(&self, region: &str) {
        self.region.get_or_init(|| Region::named(region));
    }

    /// The region of this provider instance.
    pub(super) fn region(&self) -> Region {
        self.region.get().cloned().unwrap_or_else(|| Region::named(DEFAULT_REGION))
    }
}

/// A counted connection.
pub(super) struct Connection {
    stream: UnixStream,
    session: Session,
    _counted: Counted,
}

/// Counts as long as it lives.
pub(super) struct Counted(watch::Sender<usize>);

impl Counted {
    pub(super) fn new(count: &watch::Sender<usize>) -> Counted {
        count.send_modify(|count| *count += 1);
        Counted(count.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// Connections of a listener, counted.
pub(super) fn incoming(listener: UnixListener, count: watch::Sender<usize>) -> impl Stream<Item = io::Result<Connection>> {
    UnixListenerStream::new(listener)
        .map(move |stream| stream.map(|stream| Connection { stream, session: Session::default(), _counted: Counted::new(&count) }))
}

impl Connected for Connection {
    type ConnectInfo = Session;

    fn connect_info(&self) -> Session {
        self.session.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
