//! JS-SDK signatures with known answers.

use serde::Deserialize;

use crate::wechat::signature;

#[derive(Deserialize)]
struct Vectors {
    jssdk_signature: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    jsapi_ticket: String,
    noncestr: String,
    timestamp: i64,
    url: String,
    signature: String,
}

/// Mutations that turned it red: the url escaped, and what follows `#` signed.
#[test]
fn the_published_signatures_are_ours() {
    let vectors: Vectors = serde_json::from_str(include_str!("../testdata/vectors.json")).unwrap();
    assert_eq!(vectors.jssdk_signature.len(), 3);
    for vector in vectors.jssdk_signature {
        let Vector { jsapi_ticket, noncestr, timestamp, url, signature: expected } = vector;
        assert_eq!(signature(&jsapi_ticket, &noncestr, timestamp, &url), expected, "{url}");
        assert_eq!(signature(&jsapi_ticket, &noncestr, timestamp, &format!("{url}#top")), expected, "{url}#");
        assert_ne!(signature(&jsapi_ticket, &noncestr, timestamp + 1, &url), expected);
    }
}
