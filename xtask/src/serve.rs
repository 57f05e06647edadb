//! A folder on http://localhost, for browsers: pages have WebGPU on https and localhost only, not from files.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};

/// Longest line of a request.
const LINE_LIMIT: u64 = 1 << 13;

/// A port that listens, of this machine only.
pub(crate) struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens on `port`, or with 0 on any that is free.
    pub(crate) fn new(port: u16) -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|error| format!("port {port}: {error} (web serve PORT takes another)"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// Answers requests, one thread each, until the program ends.
    pub(crate) fn run(self, folder: &Path) {
        for stream in self.listener.incoming().flatten() {
            let folder = folder.to_owned();
            // Whoever hangs up before the end has no use for an error.
            std::thread::spawn(move || drop(answer(&stream, &folder)));
        }
    }
}

fn answer(mut stream: &TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut text = String::new();
        std::io::Read::take(&mut reader, LINE_LIMIT).read_line(&mut text).map(|_| text)
    };
    let request = line()?;
    while !line()?.trim().is_empty() {}
    let Some(path) = request.strip_prefix("GET /").and_then(|rest| rest.split([' ', '?', '#']).next()) else {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\nconnection: close\r\n\r\n");
    };
    let Some(Ok(bytes)) = inside(folder, path).map(std::fs::read) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    };
    let (length, kind) = (bytes.len(), kind(path));
    // Whoever builds again wants to see it.
    let fixed = "cache-control: no-store\r\nconnection: close";
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{fixed}\r\n\r\n")?;
    stream.write_all(&bytes)
}

/// The file that is asked for; none outside of the folder.
fn inside(folder: &Path, path: &str) -> Option<PathBuf> {
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    let plain = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
    plain.then(|| folder.join(path))
}

/// Browsers want modules and WebAssembly by their names.
fn kind(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js" | "mjs") => "text/javascript",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg") => "image/jpeg",
        Some("html") | None => "text/html; charset=utf-8",
        Some(_) => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn files_of_the_folder_and_no_others() {
        let server = Server::new(0).unwrap();
        let address = server.address;
        std::thread::spawn(|| server.run(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))));
        let ask = |request: &str| {
            let mut stream = TcpStream::connect(address).unwrap();
            write!(stream, "{request} HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        let found = ask("GET /serve.rs?x=1");
        assert!(found.starts_with("HTTP/1.1 200 OK\r\n") && found.ends_with(include_str!("serve.rs")));
        for other in ["GET /../Cargo.toml", "GET //etc/passwd", "GET /none.rs", "GET /"] {
            assert!(ask(other).starts_with("HTTP/1.1 404"), "{other}");
        }
        assert!(ask("POST /serve.rs").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn modules_are_javascript() {
        assert_eq!([kind("a/b.js"), kind("a.wasm"), kind("")], ["text/javascript", "application/wasm", kind("a.html")]);
    }
}
