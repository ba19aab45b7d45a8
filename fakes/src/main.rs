//! `kaipan-fakes`: plays WeChat and providers of SMS on this machine.

use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use kaipan_fakes::wechat::{Settings, known};
use tokio::net::TcpListener;

/// Plays WeChat (sign-in, tokens, QR codes, messages) and providers of SMS on this machine. For tests and for trying; it keeps nothing
#[derive(Parser)]
#[command(name = "kaipan-fakes", version)]
struct Cli {
    /// Where it listens; port 0 takes a free one
    #[arg(long, env = "KAIPAN_FAKES_LISTEN", default_value = "127.0.0.1:8083", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,

    /// The Official Account's app id
    #[arg(long, env = "KAIPAN_FAKES_WECHAT_APP_ID", default_value = known::APP_ID)]
    wechat_app_id: String,

    /// The Official Account's secret: a fake's, nobody else's
    #[arg(long, env = "KAIPAN_FAKES_WECHAT_SECRET", default_value = known::SECRET)]
    wechat_secret: String,

    /// Hosts to which sign-in may lead back, as a real account's settings name them [default: any]
    #[arg(long, value_delimiter = ',', value_name = "HOST")]
    wechat_domain: Vec<String>,

    /// Ends with its standard input: whoever started it holds the other end
    #[arg(long, hide = true)]
    lifeline: bool,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
    let cli = Cli::parse();
    if cli.lifeline {
        std::thread::spawn(|| {
            let _ = io::stdin().lock().read_to_end(&mut Vec::new());
            std::process::exit(0);
        });
    }
    let settings =
        Settings { app_id: cli.wechat_app_id, secret: cli.wechat_secret, domains: cli.wechat_domain };
    let served =
        tokio::runtime::Runtime::new().and_then(|runtime| runtime.block_on(serve(cli.listen, &settings)));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, listen = %cli.listen, "the fakes do not serve");
            ExitCode::FAILURE
        }
    }
}

/// Until Ctrl-C. The first line on standard output says where it listens, for whoever asked for a free port.
async fn serve(listen: SocketAddr, settings: &Settings) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    writeln!(io::stdout(), "http://{}", listener.local_addr()?)?;
    tokio::select! {
        served = kaipan_fakes::serve(listener, settings) => served,
        stopped = tokio::signal::ctrl_c() => stopped,
    }
}
