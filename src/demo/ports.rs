//! Addresses and ports of a demo. A port that is taken or may not be used is one sentence, before anything is loaded.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use super::{DemoError, Options};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Buyers' phones reach the machine over its own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lan {
    /// The address that leads out of this machine.
    Found,
    Given(IpAddr),
}

/// Where the three doors of a demo are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doors {
    pub buyers: SocketAddr,
    pub console: SocketAddr,
    pub demo: SocketAddr,
}

impl Doors {
    /// Takes the addresses from the options and tries each port. The demo page and the console never leave loopback.
    pub fn new(options: &Options) -> Result<Self, DemoError> {
        let buyers = match options.lan {
            None => LOOPBACK,
            Some(Lan::Given(address)) => address,
            Some(Lan::Found) => outward_address()?,
        };
        let doors = Self {
            buyers: SocketAddr::new(buyers, options.buyers_port),
            console: SocketAddr::new(LOOPBACK, options.console_port),
            demo: SocketAddr::new(LOOPBACK, options.demo_port),
        };
        let named =
            [("--port", doors.buyers), ("--console-port", doors.console), ("--demo-port", doors.demo)];
        for (at, (flag, address)) in named.iter().enumerate() {
            if let Some((other, _)) = named[..at].iter().find(|(_, other)| other.port() == address.port()) {
                return Err(DemoError(format!(
                    "{other} and {flag} are both {}; give each door a port of its own",
                    address.port()
                )));
            }
            is_free(flag, *address)?;
        }
        Ok(doors)
    }
}

/// Binds and lets go again. The server binds later; another program that slips in between is the server's to name.
fn is_free(flag: &str, address: SocketAddr) -> Result<(), DemoError> {
    let sentence = match TcpListener::bind(address) {
        Ok(_) => return Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::AddrInUse => {
                format!("port {} is used by another program: choose another with {flag}", address.port())
            }
            ErrorKind::PermissionDenied => {
                format!("port {} needs special rights: choose one above 1023 with {flag}", address.port())
            }
            ErrorKind::AddrNotAvailable => {
                format!("{} is not an address of this machine", address.ip())
            }
            _ => format!("{address} cannot be listened on: {error}"),
        },
    };
    Err(DemoError(sentence))
}

/// The address that packets to the outside would carry. Connecting a UDP socket only asks the routing table; nothing
/// is sent. 192.0.2.1 is reserved for documentation.
fn outward_address() -> Result<IpAddr, DemoError> {
    let asked = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr())
    });
    match asked {
        Ok(address) if !address.ip().is_loopback() && !address.ip().is_unspecified() => Ok(address.ip()),
        _ => Err(DemoError(
            "this machine has no network address that a phone could reach: join a network, or give one with \
             --lan=ADDRESS"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn options(buyers_port: u16, console_port: u16, demo_port: u16) -> Options {
        Options {
            data_dir: "unused".into(),
            exit_after_load: false,
            lan: None,
            start_in: Duration::from_secs(120),
            buyers_port,
            console_port,
            demo_port,
            buyers_max: None,
            tap_for: Duration::from_secs(120),
        }
    }

    fn free_port() -> u16 {
        TcpListener::bind((LOOPBACK, 0)).unwrap().local_addr().unwrap().port()
    }

    #[test]
    fn a_taken_port_is_one_sentence_that_names_port_and_flag() {
        let other = TcpListener::bind((LOOPBACK, 0)).unwrap();
        let taken = other.local_addr().unwrap().port();
        let error = Doors::new(&options(free_port(), taken, free_port())).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("port {taken} is used by another program: choose another with --console-port")
        );
    }

    #[test]
    fn two_doors_on_one_port_are_refused() {
        let port = free_port();
        let error = Doors::new(&options(port, free_port(), port)).unwrap_err().to_string();
        assert!(error.starts_with("--port and --demo-port are both"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
        let asked =
            Options { lan: Some(Lan::Given(elsewhere)), ..options(free_port(), free_port(), free_port()) };
        let error = Doors::new(&asked).unwrap_err().to_string();
        assert_eq!(error, "192.0.2.7 is not an address of this machine");
    }
}
