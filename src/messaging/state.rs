//! What has become of a message, in words that never change.

use crate::domain::kind::names;

names!(
    /// Where a message stands. A provider that took it may still not deliver it: what happens behind its door it tells
    /// later, if at all, and nobody here asks.
    State {
        /// It leaves no further than the outbox page.
        Shown = "shown",
        Queued = "queued",
        Sending = "sending",
        Sent = "sent",
        Failed = "failed",
    }
);

names!(
    /// Why an attempt failed.
    Reason {
        Expired = "EXPIRED",
        /// The same person was sent a newer one.
        Replaced = "REPLACED",
        /// The server that was sending it ended; it may have arrived.
        Interrupted = "INTERRUPTED",
        Unreachable = "UNREACHABLE",
        /// Or none that is understood; it may have arrived.
        NoAnswer = "NO_ANSWER",
        Busy = "BUSY",
        CredentialsRefused = "CREDENTIALS_REFUSED",
        /// A signature holds for minutes: this machine's clock is wrong.
        ClockOff = "CLOCK_OFF",
        NotAllowed = "NOT_ALLOWED",
        SignNameRefused = "SIGN_NAME_REFUSED",
        TemplateRefused = "TEMPLATE_REFUSED",
        NumberRefused = "NUMBER_REFUSED",
        TooOften = "TOO_OFTEN",
        NoBalance = "NO_BALANCE",
        Refused = "REFUSED",
    }
);
