//! nginx as `deploy/` ships it: the files as they are, but for ports, addresses and the folder it may write into; and a door
//! through which clients that know nothing of TLS come in over it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::harness::{Server, free_port};

const LISTENS_WITHIN: Duration = Duration::from_secs(20);

/// nginx ends its workers when it is told to and not when it is killed, so a shell does, whichever way this process ends.
const GUARD: &str = r#"
trap '' TERM INT HUP
"$@" &
read -r _
kill -TERM $!
wait
"#;

/// The files, in a folder of their own, with the certificate that `deploy/compose/setup.sh` makes.
pub struct Files {
    folder: TempDir,
    tls_port: u16,
}

impl Files {
    /// With the gateways of the file `upstreams`, which `addresses` takes from those written there to where they are.
    pub fn new(upstreams: &str, addresses: &[(String, String)]) -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap(), tls_port: free_port() };
        let made = |name: &str| files.folder.path().join(name);
        let secrets = ["database", "gateway", "tls", "grafana"].map(made);
        let made = Command::new(deploy("compose/setup.sh")).args(&secrets).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));

        let own = format!("{}/", files.folder.path().display());
        let moved = |port: u16, listen: &str| (listen.to_owned(), format!("listen 127.0.0.1:{port} "));
        files.put("nginx.conf", "compose/nginx.conf", &[("/tmp/".to_owned(), own)]);
        files.put("kaipan.conf", "nginx/kaipan.conf", &[moved(files.tls_port, "listen 443 ")]);
        files.put("console.conf", "nginx/console.conf", &[moved(free_port(), "listen 8443 ")]);
        fs::create_dir(files.folder.path().join("upstreams")).unwrap();
        files.put("upstreams/kaipan.conf", upstreams, addresses);
        files
    }

    fn put(&self, name: &str, shipped: &str, changes: &[(String, String)]) {
        let mut text = fs::read_to_string(deploy(shipped)).unwrap();
        for (from, to) in changes {
            assert!(text.contains(from.as_str()), "{shipped} has no {from}");
            text = text.replace(from, to);
        }
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    fn command(&self) -> Vec<String> {
        let folder = self.folder.path().display();
        // Who is root keeps its folders to itself, so its workers stay root.
        let owner = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
        let words =
            ["-p", &format!("{folder}"), "-c", &format!("{folder}/nginx.conf"), "-g"].map(str::to_owned);
        let program = program().display().to_string();
        [program].into_iter().chain(words).chain([format!("daemon off; {owner}")]).collect()
    }

    /// What nginx itself thinks of the files.
    pub fn tested(&self) -> Output {
        let command = self.command();
        Command::new(&command[0]).args(&command[1..]).arg("-t").output().unwrap()
    }

    pub async fn serve(self) -> Proxy {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard"]).args(self.command());
        let guard = guard.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let certificate =
            CertificateDer::from_pem_file(self.folder.path().join("tls/fullchain.pem")).unwrap();
        let proxy = Proxy { tls: trusting(certificate), port: self.tls_port, folder: self.folder, guard };
        let deadline = Instant::now() + LISTENS_WITHIN;
        while let Err(error) = dial(&proxy.tls, proxy.port).await {
            assert!(Instant::now() < deadline, "nginx does not listen: {error}\n{}", proxy.said());
            sleep(Duration::from_millis(20)).await;
        }
        proxy
    }
}

/// A running nginx.
pub struct Proxy {
    tls: TlsConnector,
    port: u16,
    folder: TempDir,
    /// Closing its standard input is the sign to end.
    guard: Child,
}

impl Proxy {
    /// Before the two gateways of docker-compose.yml.
    pub async fn of_compose(first: &Server, second: &Server) -> Self {
        let mut addresses = Vec::new();
        for (address, server) in [("172.30.80.11", first), ("172.30.80.12", second)] {
            for (inside, port) in [(8080, server.buyers_port), (8081, server.staff_port)] {
                addresses.push((format!("{address}:{inside}"), format!("127.0.0.1:{port}")));
            }
        }
        Files::new("compose/upstreams/kaipan.conf", &addresses).serve().await
    }

    /// A port of this machine: what comes in goes to nginx over TLS, with its certificate verified for `localhost`.
    pub async fn door(&self) -> u16 {
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = door.local_addr().unwrap().port();
        let (tls, proxy) = (self.tls.clone(), self.port);
        tokio::spawn(async move {
            while let Ok((mut plain, _)) = door.accept().await {
                let tls = tls.clone();
                // Whichever side ends, the other does.
                tokio::spawn(async move {
                    let mut sealed = dial(&tls, proxy).await?;
                    copy_bidirectional(&mut plain, &mut sealed).await
                });
            }
        });
        port
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("── nginx\n{}", self.said());
        }
        drop(self.guard.stdin.take());
        self.guard.wait().ok();
    }
}

async fn dial(tls: &TlsConnector, port: u16) -> std::io::Result<TlsStream<TcpStream>> {
    let plain = TcpStream::connect(("127.0.0.1", port)).await?;
    plain.set_nodelay(true)?;
    tls.connect(ServerName::try_from("localhost").unwrap(), plain).await
}

/// A client that believes this one certificate and no other.
fn trusting(certificate: CertificateDer<'static>) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

fn deploy(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(file)
}

/// Of the system, or what scripts/prepare.sh took out of Debian's package.
fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let taken_out = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), taken_out]);
    let mut programs = folders.map(|folder| folder.join("nginx"));
    programs.find(|program| program.is_file()).expect("nginx (scripts/prepare.sh test brings it)")
}
