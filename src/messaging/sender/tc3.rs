//! Tencent Cloud's signature v3, `TC3-HMAC-SHA256`, after "签名方法 v3"
//! (<https://cloud.tencent.com/document/product/382/52072>; the same text stands with every product).

use super::hash::{hmac_sha256, sha256_hex};

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const SIGNED_HEADERS: &str = "content-type;host;x-tc-action";
pub(super) const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// What is signed: always a POST of JSON to `/`.
pub(super) struct Unsigned<'a> {
    pub host: &'a str,
    pub service: &'a str,
    pub action: &'a str,
    pub timestamp_s: i64,
    /// Of the time stamp, in UTC: `2019-02-25`.
    pub date: &'a str,
    pub body: &'a [u8],
}

impl Unsigned<'_> {
    pub fn canonical_request(&self) -> String {
        let Self { host, body, .. } = self;
        let (action, hashed) = (self.action.to_ascii_lowercase(), sha256_hex(body));
        format!(
            "POST\n/\n\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-tc-action:{action}\n\n{SIGNED_HEADERS}\n{hashed}"
        )
    }

    fn scope(&self) -> String {
        format!("{}/{}/tc3_request", self.date, self.service)
    }

    pub fn string_to_sign(&self) -> String {
        let hashed = sha256_hex(self.canonical_request().as_bytes());
        format!("{ALGORITHM}\n{}\n{}\n{hashed}", self.timestamp_s, self.scope())
    }

    pub fn authorization(&self, secret_id: &str, secret_key: &str) -> String {
        let date = hmac_sha256(format!("TC3{secret_key}").as_bytes(), self.date.as_bytes());
        let service = hmac_sha256(&date, self.service.as_bytes());
        let signing = hmac_sha256(&service, b"tc3_request");
        let signature = hex::encode(hmac_sha256(&signing, self.string_to_sign().as_bytes()));
        let scope = self.scope();
        format!(
            "{ALGORITHM} Credential={secret_id}/{scope}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's worked example, with the keys as it prints them, stars and all: canonical request, string to sign and
    /// signature.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let body =
            br#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let request = Unsigned {
            host: "cvm.tencentcloudapi.com",
            service: "cvm",
            action: "DescribeInstances",
            timestamp_s: 1_551_113_065,
            date: "2019-02-25",
            body,
        };
        assert_eq!(
            request.canonical_request(),
            "POST\n\
             /\n\
             \n\
             content-type:application/json; charset=utf-8\n\
             host:cvm.tencentcloudapi.com\n\
             x-tc-action:describeinstances\n\
             \n\
             content-type;host;x-tc-action\n\
             35e9c5b0e3ae67532d3c9f17ead6c90222632e5b1ff7f6e89887f1398934f064"
        );
        assert_eq!(
            request.string_to_sign(),
            "TC3-HMAC-SHA256\n1551113065\n2019-02-25/cvm/tc3_request\n\
             7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"
        );
        assert_eq!(
            request.authorization("AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", "Gu5t9xGARNpq86cd98joQYCN3*******"),
            "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request, \
             SignedHeaders=content-type;host;x-tc-action, \
             Signature=be4f67d323c78ab9acb7395e43c0dbcf822a9cfac32fea2449a7bc7726b770a3"
        );
    }
}
