//! A gateway of somebody else's, spoken to as the settings say.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::HeaderValue;
use hyper::{Method, Request};

use super::wire::{Wire, by_status};
use super::{Failure, Sms};
use crate::config::{Encode, SmsGateway, SmsMethod, SmsWord, Values};
use crate::messaging::message::Language;
use crate::messaging::state::Reason;

pub struct HttpGateway {
    pub(super) wire: Wire,
    pub(super) gateway: SmsGateway,
}

impl HttpGateway {
    pub(super) async fn send(&self, sms: &Sms<'_>) -> Result<(), Failure> {
        let request = self.request(sms).ok_or_else(Failure::unsendable)?;
        let answer = self.wire.call(request).await?;
        if !answer.status.is_success() {
            return Err(by_status(answer.status));
        }
        let said = String::from_utf8_lossy(&answer.body);
        match &self.gateway.success {
            // What else it says is its own text, and may hold what was sent to it.
            Some(success) if !said.contains(success.as_str()) => Err(Failure::of(Reason::Refused, "")),
            _ => Ok(()),
        }
    }

    fn request(&self, sms: &Sms<'_>) -> Option<Request<Full<Bytes>>> {
        let gateway = &self.gateway;
        let text = sms.message.text(Language::ZhCn);
        let values = Values {
            phone: sms.phone.as_str(),
            text: &text,
            code: sms.word(SmsWord::Code),
            minutes: sms.word(SmsWord::Minutes),
            access_key_id: &gateway.access_key_id,
            secret: &gateway.secret,
        };
        let method = match gateway.method {
            SmsMethod::Get => Method::GET,
            SmsMethod::Post => Method::POST,
        };
        let mut request =
            Request::builder().method(method).uri(gateway.url.fill(Encode::Percent, &values).as_str());
        for (name, template) in &gateway.headers {
            let mut value = HeaderValue::from_str(&template.fill(Encode::Plain, &values)).ok()?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        let body = gateway.body.as_ref().map(|body| body.template.fill(body.encode, &values));
        let body = body.map(|body| Bytes::copy_from_slice(body.as_bytes())).unwrap_or_default();
        request.body(Full::new(body)).ok()
    }
}
