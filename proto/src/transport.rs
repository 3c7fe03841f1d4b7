//! How servers and channels are built: windows and limits in one place, for TCP and for one process alike.

use crate::tls::{ClientTls, ServerTls};
use hyper_util::rt::TokioIo;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc,
};
use tonic::transport::{Channel, Endpoint, Server, server::Connected};

/// No message may be longer, either way.
pub const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Bytes of an output or a file in one message: a quarter of a stream's window, so that several are under way.
pub const MAX_PIECE_BYTES: usize = 1 << 20;
/// Bytes in flight on one stream before the receiver has taken any.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
/// Bytes in flight on one connection.
const CONNECTION_WINDOW_BYTES: u32 = 32 << 20;
/// HTTP/2 frames: larger than the default 16 KiB, since most messages are.
const MAX_FRAME_BYTES: u32 = 256 << 10;
/// A connection silent for so long is asked whether it lives …
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// … and closed when it does not say so within this time.
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes buffered each way by an in-memory connection.
const DUPLEX_BYTES: usize = 1 << 20;

/// A server with our windows; add services to it.
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .http2_keepalive_interval(Some(KEEP_ALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEP_ALIVE_TIMEOUT))
        .tcp_nodelay(true)
}

/// A server that shows its certificate; an error where certificate or key are none.
pub fn server_over(tls: &ServerTls) -> Result<Server, tonic::transport::Error> {
    server().tls_config(tls.0.clone())
}

/// An endpoint for `url` (`https://host:port`) that asks for a certificate; an error where one of ours is none.
pub fn endpoint_over(url: &str, tls: &ClientTls) -> Result<Endpoint, tonic::transport::Error> {
    endpoint(url)?.tls_config(tls.0.clone())
}

/// An endpoint for `url` (`http://host:port`) with our windows.
pub fn endpoint(url: &str) -> Result<Endpoint, tonic::transport::Error> {
    Ok(Endpoint::from_shared(url.to_owned())?
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
        .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .connect_timeout(Duration::from_secs(10))
        .tcp_nodelay(true))
}

/// The server's end of a connection in memory. What is written after the other end has gone vanishes, as it does on the
/// way through a socket: an HTTP/2 server says goodbye to a client that has said it already, and that is no failure.
#[derive(Debug)]
pub struct MemoryStream(DuplexStream);

impl Connected for MemoryStream {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.0).poll_write(cx, buf) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                Poll::Ready(Ok(buf.len()))
            }
            written => written,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A channel to a server in the same process, and the server's side of its connections: the same HTTP/2 over
/// a pipe in memory. The channel connects when it is first used, and again after a broken connection.
pub fn in_memory() -> (Channel, mpsc::Receiver<io::Result<MemoryStream>>) {
    let (accept, incoming) = mpsc::channel(1);
    let accept = Arc::new(accept);
    let connector = tower::service_fn(move |_| {
        let accept = Arc::clone(&accept);
        async move {
            let (ours, theirs) = tokio::io::duplex(DUPLEX_BYTES);
            let gone = |_| io::Error::new(io::ErrorKind::ConnectionRefused, "the server has ended");
            accept.send(Ok(MemoryStream(theirs))).await.map_err(gone)?;
            Ok::<_, io::Error>(TokioIo::new(ours))
        }
    });
    let endpoint = endpoint("http://memory").unwrap_or_else(|error| unreachable!("a constant URL: {error}"));
    (endpoint.connect_with_connector_lazy(connector), incoming)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn words_to_an_end_that_has_gone_vanish_and_its_end_is_seen() {
        let (ours, theirs) = tokio::io::duplex(64);
        let mut server = MemoryStream(theirs);
        drop(ours);
        server.write_all(b"goodbye").await.unwrap();
        server.flush().await.unwrap();
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
    }
}
