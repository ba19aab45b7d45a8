//! Signing in as a person does: ask for a code, read it, send it back, say which registration. The crowd reads the
//! code where staff would, in the outbox; there is no way around the code.

use std::time::Duration;

use serde_json::json;
use tokio::sync::Semaphore;

use crate::crowd::plan::{Person, StaffLogin};
use crate::crowd::sessions::Sessions;
use crate::http::{Doors, Failure, done, fetch, patiently};
use crate::wire::{Outbox, SignedIn, StaffSession};

/// Sign-ins at once: an opening's doors are for everybody, not for the crowd alone.
const SIGN_INS_AT_ONCE: usize = 24;
const PATIENCE: Duration = Duration::from_secs(90);
/// The sender works beside the request, so a code may be in the outbox a moment later.
const OUTBOX_LOOKS: u32 = 40;
const OUTBOX_PAUSE: Duration = Duration::from_millis(50);
/// A code read too early belongs to an older request and is wrong; then ask for another.
const TRIES: u32 = 3;

/// The staff log-in that may read codes, and the queue before the buyers' door.
pub struct SignIn {
    doors: Doors,
    staff_token: String,
    queue: Semaphore,
    sessions: Sessions,
}

impl SignIn {
    pub async fn as_staff(doors: Doors, login: &StaffLogin, sessions: Sessions) -> Result<Self, Failure> {
        let session: StaffSession = patiently(PATIENCE, || {
            fetch(
                doors
                    .staff_post("/session")
                    .json(&json!({ "login": login.login, "password": login.password })),
            )
        })
        .await?;
        Ok(Self { doors, staff_token: session.token, queue: Semaphore::new(SIGN_INS_AT_ONCE), sessions })
    }

    pub fn staff_token(&self) -> &str {
        &self.staff_token
    }

    /// The session of one registration: the one from before the crowd was stopped, or a new one.
    pub async fn buyer(&self, person: &Person) -> Result<SignedIn, Failure> {
        if let Some(token) = self.sessions.get(&person.registration) {
            let me = patiently(PATIENCE, || fetch(self.doors.buyer_get("/me").bearer_auth(&token))).await;
            if let Ok(me) = me {
                return Ok(SignedIn { token, me });
            }
        }
        let mut tries = 0;
        loop {
            tries += 1;
            let code = self.code(&person.phone).await?;
            match self.redeem(person, &code).await {
                Err(failure) if tries < TRIES && matches!(failure.code(), "CODE_WRONG" | "CODE_VOID") => {}
                Ok(signed_in) => {
                    self.sessions.keep(&person.registration, &signed_in.token);
                    return Ok(signed_in);
                }
                Err(failure) => return Err(failure),
            }
        }
    }

    /// Asks for a code and reads it from the outbox.
    pub async fn code(&self, phone: &str) -> Result<String, Failure> {
        let before = self.newest(phone).await?.map(|(id, _)| id);
        patiently(PATIENCE, || async {
            let _place = self.queue.acquire().await;
            done(self.doors.buyer_post("/sign-in/code").json(&json!({ "phone": phone }))).await
        })
        .await?;
        for _ in 0..OUTBOX_LOOKS {
            if let Some((id, code)) = self.newest(phone).await?
                && before.as_ref() != Some(&id)
            {
                return Ok(code);
            }
            tokio::time::sleep(OUTBOX_PAUSE).await;
        }
        Err(Failure::Silent("no sign-in code came to the outbox".to_owned()))
    }

    async fn newest(&self, phone: &str) -> Result<Option<(String, String)>, Failure> {
        let outbox: Outbox = patiently(PATIENCE, || async {
            let _place = self.queue.acquire().await;
            let request = self.doors.staff_opening_get("/outbox").query(&[("phone", phone)]);
            fetch(request.bearer_auth(&self.staff_token)).await
        })
        .await?;
        Ok(outbox.messages.into_iter().find_map(|message| Some((message.id, message.code?))))
    }

    async fn redeem(&self, person: &Person, code: &str) -> Result<SignedIn, Failure> {
        let device = format!("simulated-{}", person.registration);
        let send = |registration: Option<&str>| {
            let body = json!({
                "phone": person.phone, "code": code, "device": device, "registration": registration,
            });
            patiently(PATIENCE, move || {
                let request = self.doors.buyer_post("/sign-in").json(&body);
                async move {
                    let _place = self.queue.acquire().await;
                    fetch(request).await
                }
            })
        };
        match send(None).await {
            Err(Failure::Refused { code, params, .. })
                if code == "CHOOSE_REGISTRATION"
                    && params.choices.iter().any(|choice| choice.code == person.registration) =>
            {
                send(Some(&person.registration)).await
            }
            outcome => outcome,
        }
    }
}
