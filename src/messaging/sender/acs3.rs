//! Aliyun's signature V3, `ACS3-HMAC-SHA256`, after "V3版本请求体&签名机制"
//! (<https://help.aliyun.com/zh/sdk/product-overview/v3-request-structure-and-signature>).

use super::hash::{hmac_sha256, sha256_hex};
use crate::domain::text::percent_encoded;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// What is signed.
pub(super) struct Unsigned<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub query: &'a str,
    /// `host` and all `x-acs-…`, in lower case and sorted.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// Sorted by name, both parts escaped.
pub(super) fn canonical_query(params: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = params
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encoded(name), percent_encoded(value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

impl Unsigned<'_> {
    fn signed_headers(&self) -> String {
        self.headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";")
    }

    pub fn canonical_request(&self) -> String {
        let headers: String =
            self.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        let Self { method, path, query, .. } = self;
        let (signed, hashed) = (self.signed_headers(), sha256_hex(self.body));
        format!("{method}\n{path}\n{query}\n{headers}\n{signed}\n{hashed}")
    }

    pub fn string_to_sign(&self) -> String {
        format!("{ALGORITHM}\n{}", sha256_hex(self.canonical_request().as_bytes()))
    }

    pub fn authorization(&self, access_key_id: &str, secret: &str) -> String {
        let signature = hex::encode(hmac_sha256(secret.as_bytes(), self.string_to_sign().as_bytes()));
        let signed = self.signed_headers();
        format!("{ALGORITHM} Credential={access_key_id},SignedHeaders={signed},Signature={signature}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's worked example (签名示例, 固定参数示例): canonical request, string to sign and signature as it prints
    /// them.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let query = canonical_query(&[
            ("RegionId", "cn-shanghai"),
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd"),
        ]);
        let request = Unsigned {
            method: "POST",
            path: "/",
            query: &query,
            headers: &[
                ("host", "ecs.cn-shanghai.aliyuncs.com"),
                ("x-acs-action", "RunInstances"),
                ("x-acs-content-sha256", empty),
                ("x-acs-date", "2023-10-26T10:22:32Z"),
                ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
                ("x-acs-version", "2014-05-26"),
            ],
            body: b"",
        };
        assert_eq!(
            request.canonical_request(),
            "POST\n\
             /\n\
             ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai\n\
             host:ecs.cn-shanghai.aliyuncs.com\n\
             x-acs-action:RunInstances\n\
             x-acs-content-sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n\
             x-acs-date:2023-10-26T10:22:32Z\n\
             x-acs-signature-nonce:3156853299f313e23d1673dc12e1703d\n\
             x-acs-version:2014-05-26\n\
             \n\
             host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            request.string_to_sign(),
            "ACS3-HMAC-SHA256\n7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
        );
        assert_eq!(
            request.authorization("YourAccessKeyId", "YourAccessKeySecret"),
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;\
             x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    /// The document's rules for escaping: a space is %20, an asterisk %2A, and a tilde stays.
    #[test]
    fn a_query_is_escaped_and_sorted() {
        assert_eq!(canonical_query(&[("b", "a b*c~/"), ("A", "开")]), "A=%E5%BC%80&b=a%20b%2Ac~%2F");
    }
}
