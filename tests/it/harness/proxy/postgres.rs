//! What a client says to Postgres, cut into its messages, as far as it takes to know a COMMIT of picks.
//!
//! A message is a letter, a length and a body; only the first ones (a request for TLS, the start) have no letter. The
//! text of a statement comes once, when it is prepared; later only its name does. On the way to a Redis nothing here
//! looks like a start, and every byte passes.

use std::collections::HashMap;

/// The number that asks for TLS instead of starting.
const TLS: &[u8] = &80_877_103_u32.to_be_bytes();
/// Version 3.0, and the later ones of its line.
const START: &[u8] = &3_u16.to_be_bytes();

pub enum Part {
    Other(Vec<u8>),
    CommitOfPicks(Vec<u8>),
}

#[derive(Default)]
pub struct Spoken {
    heard: Vec<u8>,
    stage: Stage,
    /// What prepared statements do, by name.
    statements: HashMap<Vec<u8>, Kind>,
    /// The open transaction has granted picks.
    picked: bool,
}

#[derive(Default, PartialEq)]
enum Stage {
    #[default]
    Start,
    Messages,
    /// Not Postgres' protocol.
    Foreign,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    GrantsPicks,
    Commit,
    Other,
}

impl Spoken {
    pub fn hear(&mut self, bytes: &[u8]) -> Vec<Part> {
        self.heard.extend_from_slice(bytes);
        let mut parts = Vec::new();
        loop {
            if self.stage == Stage::Start && self.heard.len() >= 8 {
                let number = &self.heard[4..8];
                if number != TLS && &number[..2] != START {
                    self.stage = Stage::Foreign;
                }
            }
            if self.stage == Stage::Foreign || (self.stage == Stage::Start && self.heard.first() != Some(&0))
            {
                let all = std::mem::take(&mut self.heard);
                if !all.is_empty() {
                    parts.push(Part::Other(all));
                }
                return parts;
            }
            let letter = usize::from(self.stage == Stage::Messages);
            let Some(length) = self.heard.get(letter..letter + 4) else { return parts };
            let whole = letter + u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if self.heard.len() < whole {
                return parts;
            }
            let rest = self.heard.split_off(whole);
            let message = std::mem::replace(&mut self.heard, rest);
            if letter == 0 {
                if &message[4..8] != TLS {
                    self.stage = Stage::Messages;
                }
                parts.push(Part::Other(message));
            } else if self.commits(message[0], &message[5..]) {
                parts.push(Part::CommitOfPicks(message));
            } else {
                parts.push(Part::Other(message));
            }
        }
    }

    /// Whether this message commits a transaction with picks in it.
    fn commits(&mut self, letter: u8, body: &[u8]) -> bool {
        let mut texts = body.split(|byte| *byte == 0);
        let mut text = || texts.next().unwrap_or_default();
        let kind = match letter {
            b'Q' => kind(text()),
            // Parse: a name, the text.
            b'P' => {
                let name = text().to_vec();
                self.statements.insert(name, kind(text()));
                return false;
            }
            // Bind: a portal, the name of a statement.
            b'B' => {
                text();
                self.statements.get(text()).copied().unwrap_or(Kind::Other)
            }
            _ => return false,
        };
        match kind {
            Kind::GrantsPicks => self.picked = true,
            Kind::Commit => return std::mem::take(&mut self.picked),
            Kind::Other => {}
        }
        false
    }
}

fn kind(text: &[u8]) -> Kind {
    let text = String::from_utf8_lossy(text).trim().to_uppercase();
    match text.as_str() {
        "COMMIT" => Kind::Commit,
        grants if grants.starts_with("INSERT INTO CLAIM ") => Kind::GrantsPicks,
        _ => Kind::Other,
    }
}

fn message(letter: u8, body: &str) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[letter][..], &length[..], body.as_bytes()].concat()
}

/// Byte by byte as well as in one piece, and only the commit behind a grant.
#[test]
fn chaos_proxy_knows_a_commit_of_picks_when_it_hears_one() {
    let start = [&16_u32.to_be_bytes()[..], &[0, 3, 0, 0], b"user\0kp\0"].concat();
    let said = [
        [&8_u32.to_be_bytes()[..], TLS].concat(),
        start,
        message(b'Q', "BEGIN\0"),
        message(b'P', "s1\0INSERT INTO claim (id)\0"),
        message(b'Q', "COMMIT\0"),
        message(b'B', "\0s1\0"),
        message(b'Q', "COMMIT\0"),
        message(b'Q', "COMMIT\0"),
    ]
    .concat();
    for piece in [1, 7, said.len()] {
        let mut spoken = Spoken::default();
        let parts: Vec<Part> = said.chunks(piece).flat_map(|bytes| spoken.hear(bytes)).collect();
        let (mut passed, mut commits) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Other(bytes) => passed.extend(bytes),
                Part::CommitOfPicks(bytes) => {
                    commits.push(passed.len());
                    passed.extend(bytes);
                }
            }
        }
        assert_eq!(passed, said, "in pieces of {piece}");
        assert_eq!(commits, [said.len() - 2 * message(b'Q', "COMMIT\0").len()], "in pieces of {piece}");
    }
    let mut spoken = Spoken::default();
    let redis = b"*1\r\n$4\r\nPING\r\n";
    assert!(matches!(&spoken.hear(redis)[..], [Part::Other(bytes)] if bytes == redis));
}
