//! A WeChat to try sign-in with: `kaipan-fakes`, for as long as the demo lives. Without it the demo goes on, and signs
//! in by codes alone.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::time::timeout;

use crate::child::{Child, Program};

const BINARY: &str = "kaipan-fakes";
const READY_PATIENCE: Duration = Duration::from_secs(10);
/// The account that is played here. Nobody's secret: it opens nothing outside of this demo.
const APP_ID: &str = "wxfa4e5c0ffee0de30";
const SECRET: &str = "fa4e5c0ffeede30fa4e5c0ffeede3000";

pub(super) struct Fakes {
    /// Lives as long as this.
    _child: Child,
    /// Where it listens, such as `http://127.0.0.1:40001`.
    pub url: String,
}

impl Fakes {
    /// On a free port of the address at which phones reach this machine.
    pub async fn start(data_dir: &Path, address: IpAddr) -> Option<Self> {
        let started = Self::try_start(data_dir, address).await;
        if started.is_none() {
            tracing::warn!("kaipan-fakes does not start: the demo goes on without WeChat");
        }
        started
    }

    async fn try_start(data_dir: &Path, address: IpAddr) -> Option<Self> {
        let listen = SocketAddr::new(address, 0).to_string();
        let args = ["--lifeline", "--listen", &listen, "--wechat-app-id", APP_ID, "--wechat-secret", SECRET];
        let program = Program {
            program: Program::beside(BINARY).ok()?,
            args: args.map(Into::into).into(),
            log: data_dir.join("logs").join("fakes.log"),
            env: None,
        };
        let (child, output) = program.spawn(b"").await.ok()?;
        let mut lines = BufReader::new(output?).lines();
        let url = timeout(READY_PATIENCE, lines.next_line()).await.ok()?.ok()??;
        Some(Self { _child: child, url })
    }

    /// What the server needs to be told.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("--wechat-app-id", APP_ID.to_owned()),
            ("--wechat-secret", SECRET.to_owned()),
            ("--wechat-api-url", self.url.clone()),
            ("--wechat-open-url", self.url.clone()),
        ]
    }
}
