//! HTTP/1.1 as far as a load test needs it: requests with a length, answers with a length, kept alive.

use memchr::memmem;

/// A head longer than this is not an answer of any server we measure.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// Bytes that are not what this client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("the answer's head is not HTTP/1.1")]
    Head,
    #[error("the answer has no Content-Length, which this client needs")]
    NoLength,
    #[error("a frame that a server may not send, or a fragmented one, which this client does not read")]
    Frame,
    #[error("the WebSocket was refused with status {0}")]
    Refused(u16),
    #[error("a message longer than this client reads")]
    TooLong,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer<'a> {
    pub status: u16,
    pub head: &'a [u8],
    pub body: &'a [u8],
}

/// Appends a request. `headers` are whole lines, each with its end.
pub fn request(out: &mut Vec<u8>, method: &str, path: &str, headers: &str, body: Option<&[u8]>) {
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nhost: kaipan\r\n");
    out.extend_from_slice(headers.as_bytes());
    if let Some(body) = body {
        out.extend_from_slice(b"content-type: application/json\r\ncontent-length: ");
        number(out, body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body.unwrap_or_default());
}

/// Decimal digits, without the detour over `String` that `format!` takes.
pub fn number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// The first whole answer in `bytes` and how many bytes it takes; none if more must be read.
pub fn cut(bytes: &[u8]) -> Result<Option<(Answer<'_>, usize)>, Broken> {
    let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
        return if bytes.len() > HEAD_BYTES_MAX { Err(Broken::Head) } else { Ok(None) };
    };
    let (head, start) = (&bytes[..end + 2], end + 4);
    let status = status(head)?;
    // These never have a body, whatever the head says.
    let length = if status < 200 || status == 204 || status == 304 {
        0
    } else {
        content_length(head).ok_or(Broken::NoLength)?
    };
    let whole = start.checked_add(length).ok_or(Broken::TooLong)?;
    let Some(body) = bytes.get(start..whole) else { return Ok(None) };
    Ok(Some((Answer { status, head, body }, whole)))
}

fn status(head: &[u8]) -> Result<u16, Broken> {
    match head {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', _, b' ', a, b, c, ..]
            if [a, b, c].iter().all(|digit| digit.is_ascii_digit()) =>
        {
            Ok([a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(**digit - b'0')))
        }
        _ => Err(Broken::Head),
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    value(head, b"content-length").and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok())
}

/// The value of the first header of this name (lower case).
pub fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (found, rest) = line.split_at_checked(name.len())?;
        let rest = rest.strip_prefix(b":")?;
        found.eq_ignore_ascii_case(name).then(|| rest.trim_ascii())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCONTENT-LENGTH:  4 \r\n\r\nbodyHTTP/1.1";

    #[test]
    fn an_answer_is_cut_at_its_length_and_not_before_it_is_whole() {
        let (answer, used) = cut(OK).unwrap().unwrap();
        assert_eq!((answer.status, answer.body, used), (200, &b"body"[..], OK.len() - 8));
        for short in 0..used {
            assert_eq!(cut(&OK[..short]).unwrap(), None, "{short} bytes");
        }
    }

    #[test]
    fn what_it_does_not_read_is_an_error_not_a_wait() {
        assert_eq!(cut(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0"), Err(Broken::NoLength));
        assert_eq!(cut(b"SSH-2.0-x\r\n\r\n"), Err(Broken::Head));
        assert_eq!(cut(&[b'x'; HEAD_BYTES_MAX + 1]), Err(Broken::Head));
        let (answer, _) = cut(b"HTTP/1.1 204 No Content\r\nserver: x\r\n\r\n").unwrap().unwrap();
        assert_eq!((answer.status, answer.body.len()), (204, 0));
    }

    #[test]
    fn a_request_is_read_back_as_it_was_meant() {
        let mut out = Vec::new();
        request(&mut out, "POST", "/picks", "authorization: Bearer t\r\n", Some(b"{}"));
        assert_eq!(
            std::str::from_utf8(&out).unwrap(),
            "POST /picks HTTP/1.1\r\nhost: kaipan\r\nauthorization: Bearer t\r\n\
             content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
        );
        let mut digits = Vec::new();
        for value in [0, 9, 10, u64::MAX] {
            digits.clear();
            number(&mut digits, value);
            assert_eq!(std::str::from_utf8(&digits).unwrap(), value.to_string());
        }
    }
}
