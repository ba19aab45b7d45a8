//! One demo after another: load, serve, let the crowd in, audit; again when asked; stop in order.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::crowd::Crowd;
use super::fakes::Fakes;
use super::folder::Folder;
use super::load::{self, Cast};
use super::newcomers::Desk;
use super::page::{self, Board, Button};
use super::ports::Doors;
use super::server::Server;
use super::state::{Link, OpeningFacts, ServerPhase, Stage};
use super::{DemoError, Options, announce, audit, crowd, wire};
use crate::child::last_lines;
use crate::domain::time::Clock;

const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What comes after a demo.
enum Next {
    Again,
    Stop,
}

/// Ctrl-C, or what a service manager sends.
struct Stops {
    interrupt: Signal,
    terminate: Signal,
}

impl Stops {
    fn new() -> Result<Self, DemoError> {
        let listen = |kind| signal(kind).map_err(DemoError::because("signals"));
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Plays demos until somebody stops it.
pub async fn run(options: Options) -> Result<(), DemoError> {
    let clock = Clock::system();
    let folder = Folder::open(&options.data_dir)?;
    if options.exit_after_load {
        let cast = load::prepare(&folder, &options, &clock).await?;
        announce::say(&format!(
            "{} {}：{} 套房源，{} 位登记 · {} units, {} registrations · {}",
            cast.marker.project_name,
            cast.marker.name,
            cast.marker.units,
            cast.marker.registrations,
            cast.marker.units,
            cast.marker.registrations,
            folder.path().display()
        ));
        return Ok(());
    }
    crowd::binary()?;
    let doors = Doors::new(&options)?;
    raise_file_limit();
    let listener = TcpListener::bind(doors.demo).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => DemoError(format!(
            "port {} is used by another program: choose another with --demo-port",
            doors.demo.port()
        )),
        _ => DemoError(format!("{}: {error}", doors.demo)),
    })?;
    let board = Board::default();
    let (press, mut buttons) = mpsc::channel(1);
    let page = tokio::spawn(page::serve(listener, clock.clone(), board.clone(), press));
    let mut stops = Stops::new()?;
    let fakes = Fakes::start(folder.path(), doors.buyers.ip()).await;
    loop {
        let fakes = fakes.as_ref();
        let mut play =
            Play { options: &options, folder: &folder, doors, fakes, board: &board, clock: &clock };
        match play.play(&mut buttons, &mut stops).await {
            Ok(Next::Again) => {
                folder.clear()?;
                announce::say("\n重新开始 · starting again");
            }
            Ok(Next::Stop) => break,
            Err(error) => return Err(error),
        }
    }
    page.abort();
    announce::say("\n已停止；再次运行会继续 · stopped; running again resumes");
    Ok(())
}

/// Server and crowd hold a socket for every buyer and inherit this limit; many systems start programs with 256 or 1024.
fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let hard = getrlimit(Resource::Nofile).maximum;
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: hard, maximum: hard }) {
        // The crowd sizes itself by the limit that it finds.
        tracing::warn!(%error, "the limit on open files stays as it is");
    }
}

struct Play<'a> {
    options: &'a Options,
    folder: &'a Folder,
    doors: Doors,
    fakes: Option<&'a Fakes>,
    board: &'a Board,
    clock: &'a Clock,
}

impl Play<'_> {
    async fn play(
        &mut self,
        buttons: &mut mpsc::Receiver<Button>,
        stops: &mut Stops,
    ) -> Result<Next, DemoError> {
        self.board
            .update(|state| *state = super::state::State { stage: Stage::Loading, ..Default::default() });
        announce::say("正在装入演示项目 · loading the demo project …");
        let cast = tokio::select! {
            cast = load::prepare(self.folder, self.options, self.clock) => cast?,
            () = stops.next() => return Ok(Next::Stop),
        };
        self.introduce(&cast);
        let (server, keeper) = Server::start(self.folder.path(), self.doors, self.fakes)?;
        let played = self.supervise(&cast, &server, buttons, stops).await;
        server.stop().await;
        // The keeper ends when the process has.
        let _ = keeper.await;
        played
    }

    /// From the server's first breath to the end of this demo; on return the crowd has left.
    async fn supervise(
        &self,
        cast: &Cast,
        server: &Server,
        buttons: &mut mpsc::Receiver<Button>,
        stops: &mut Stops,
    ) -> Result<Next, DemoError> {
        let log = self.folder.server_log();
        tokio::select! {
            up = server.up(&log) => up?,
            () = stops.next() => return Ok(Next::Stop),
        }
        self.board.update(|state| (state.server, state.stage) = (server.state(), Stage::Running));
        self.check_lan().await?;
        let desk = Desk::new(self.doors, &cast.marker.opening, cast.crowd.clone());
        let ask = || async {
            for newcomer in &cast.newcomers {
                // Too soon after the last one: the code that is shown stays good.
                let _ = desk.ask(&newcomer.phone).await;
            }
        };
        ask().await;
        let following = self.follow_board(cast);
        tokio::time::sleep(Duration::from_millis(300)).await;
        announce::opening(&self.board.read(), cast.marker.start_ms - self.clock.wall().ms());

        let mut crowd = Some(Crowd::start(self.folder.path(), &self.plan(cast))?);
        let mut server_changes = server.changes();
        let next = loop {
            tokio::select! {
                () = stops.next() => break Next::Stop,
                button = buttons.recv() => match button {
                    Some(Button::Kill) => server.kill().await,
                    Some(Button::Codes) => ask().await,
                    Some(Button::Again) => break Next::Again,
                    None => break Next::Stop,
                },
                Ok(()) = server_changes.changed() => {
                    let now = server_changes.borrow_and_update().clone();
                    let failed = now.state == ServerPhase::Failed;
                    self.board.update(|state| state.server = now);
                    if failed {
                        let words = last_lines(&log, 3);
                        self.board.update(|state| state.trouble = Some(words));
                    }
                }
                done = figures(crowd.as_mut(), self.board) => {
                    crowd = None;
                    self.conclude(cast, done).await;
                }
            }
        };
        following.abort();
        if let Some(crowd) = crowd {
            crowd.stop().await;
        }
        Ok(next)
    }

    /// The comparison at the end, on the page and in the terminal.
    async fn conclude(&self, cast: &Cast, crowd_is_done: bool) {
        self.board.update(|state| state.stage = Stage::Auditing);
        let verdict = audit::verdict(self.folder.path(), &cast.marker.opening, &self.folder.record()).await;
        match verdict {
            Ok(verdict) => {
                announce::verdict(&verdict);
                self.board.update(|state| state.verdict = Some(verdict));
            }
            Err(error) => {
                announce::say(&format!("\n{error}"));
                self.board.update(|state| state.trouble = Some(error.to_string()));
            }
        }
        if !crowd_is_done {
            self.board.update(|state| {
                state.trouble.get_or_insert_with(|| {
                    "模拟买家提前离场，见 logs/crowd.log · the crowd ended early, see logs/crowd.log"
                        .to_owned()
                });
            });
        }
        self.board.update(|state| state.stage = Stage::Done);
    }

    fn introduce(&self, cast: &Cast) {
        let marker = &cast.marker;
        let opening = OpeningFacts {
            id: marker.opening.clone(),
            name: marker.name.clone(),
            project_name: marker.project_name.clone(),
            start_ms: marker.start_ms,
            end_ms: marker.end_ms,
            units: marker.units,
            registrations: marker.registrations,
        };
        let buyers = format!("http://{}", self.doors.buyers);
        let buyer = format!("{buyers}/o/{}", marker.opening);
        let mut links = vec![
            Link { what: "demo", url: format!("http://{}", self.doors.demo), qr: None },
            Link { what: "buyer", qr: announce::qr(&buyer), url: buyer },
            Link { what: "console", url: format!("http://{}", self.doors.console), qr: None },
            Link { what: "screen", url: format!("{buyers}/screen/{}", marker.opening), qr: None },
        ];
        if self.fakes.is_some() {
            // The page offers WeChat there, whatever the browser is.
            let url = format!("{buyers}/o/{}?in=wechat", marker.opening);
            links.push(Link { what: "wechat", url, qr: None });
        }
        self.board.update(|state| {
            state.stage = Stage::Starting;
            state.opening = Some(opening);
            state.links = links;
            state.staff = Some(cast.admin.clone());
            state.newcomers.clone_from(&cast.newcomers);
        });
    }

    /// With `--lan`: does the address that the phone will use answer?
    async fn check_lan(&self) -> Result<(), DemoError> {
        if self.options.lan.is_none() {
            return Ok(());
        }
        let door = self.doors.buyers;
        let answered = wire::get(door, "/healthz", None).await.is_ok_and(|answer| answer.status.is_success());
        if !answered {
            return Err(DemoError(format!("the buyers' door does not answer at http://{door}")));
        }
        announce::say(&format!(
            "\n手机请连同一网络；本机已确认 http://{door} 可访问 · phones on the same network: http://{door} answers"
        ));
        Ok(())
    }

    fn follow_board(&self, cast: &Cast) -> JoinHandle<()> {
        let mut desk = Desk::new(self.doors, &cast.marker.opening, cast.crowd.clone());
        let mut newcomers = cast.newcomers.clone();
        let board = self.board.clone();
        tokio::spawn(async move {
            loop {
                desk.refresh(&mut newcomers).await;
                let counts = desk.board().await;
                board.update(|state| {
                    state.newcomers.clone_from(&newcomers);
                    state.board = counts.or(state.board);
                });
                tokio::time::sleep(LOOK_EVERY).await;
            }
        })
    }

    fn plan(&self, cast: &Cast) -> Value {
        let people: Vec<Value> = cast
            .people
            .iter()
            .map(|person| json!({ "registration": person.registration, "phone": person.phone }))
            .collect();
        json!({
            "buyers_url": format!("http://{}", self.doors.buyers),
            "staff_url": format!("http://{}", self.doors.console),
            "opening": cast.marker.opening,
            "staff": { "login": cast.crowd.login, "password": cast.crowd.password },
            "record": self.folder.record(),
            "sessions": self.folder.sessions(),
            "people": people,
            "buyers_max": self.options.buyers_max,
            "tap_for_s": self.options.tap_for.as_secs(),
            "seed": cast.marker.seed,
        })
    }
}

/// Carries the crowd's figures to the board until it ends; then whether it was done. Without a crowd, never.
async fn figures(crowd: Option<&mut Crowd>, board: &Board) -> bool {
    let Some(crowd) = crowd else { return std::future::pending().await };
    loop {
        tokio::select! {
            biased;
            Ok(()) = crowd.figures.changed() => {
                let figures = crowd.figures.borrow_and_update().clone();
                board.update(|state| state.crowd = figures);
            }
            ended = &mut crowd.ended => return ended.unwrap_or(false),
        }
    }
}
