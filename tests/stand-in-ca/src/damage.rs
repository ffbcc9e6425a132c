//! Damages a good response in transit: the CA has issued, and the client can't know it. The
//! profile's name selects the damage:
//!
//! | profile | response |
//! |---|---|
//! | `standin-truncated` | half of the message, in a complete HTTP response |
//! | `standin-short` | `Content-Length` is larger than the body |
//! | `standin-slow` | one octet at a time |
//! | `standin-cut-N` | the connection is closed after N octets, status line and headers included |
//! | `standin-alert-N` | a fatal TLS alert after N octets |
//! | `standin-http502`, `standin-http504` | a proxy's error page instead |

use crate::servlet::{Answer, Manner, page};

/// Returns the HTTP response for a message; `wish` is the profile's name after `standin-`.
pub fn damaged(wish: Option<&str>, mut body: Vec<u8>) -> Answer {
    let manner = match wish.map(|w| w.rsplit_once('-').unwrap_or((w, ""))) {
        Some(("truncated", _)) => {
            body.truncate(body.len() / 2);
            Manner::Plain
        }
        Some(("short", _)) => Manner::Short,
        Some(("slow", _)) => Manner::Slow,
        Some(("http502", _)) => return page(502, "502 Bad Gateway"),
        Some(("http504", _)) => return page(504, "504 Gateway Time-out"),
        Some(("cut", n)) => n.parse().map_or(Manner::Plain, Manner::Cut),
        Some(("alert", n)) => n.parse().map_or(Manner::Plain, Manner::Alert),
        _ => Manner::Plain,
    };
    Answer { status: 200, media_type: Some("application/pkcs7-mime"), body, manner }
}
