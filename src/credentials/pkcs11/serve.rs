//! The agent's side of the signing socket: a thread per session, each of which takes a request, signs, and answers.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::keeper::{Keeper, Seat, Unsigned};
use super::message::{self, Answer, REQUEST_HEAD, Reply, Request};

/// Starts as many threads as the key may have sessions. They end when the other end of `socket` is closed.
///
/// # Errors
/// A thread cannot be started.
pub fn serve(keeper: &Arc<Keeper>, socket: OwnedFd) -> io::Result<()> {
    let socket = Arc::new(socket);
    for number in 0..keeper.key().sessions {
        let (keeper, socket) = (Arc::clone(keeper), Arc::clone(&socket));
        thread::Builder::new().name(format!("session-{number}")).spawn(move || answer_requests(&keeper, &socket))?;
    }
    Ok(())
}

fn answer_requests(keeper: &Keeper, socket: &OwnedFd) {
    let mut packet = vec![0; REQUEST_HEAD.saturating_add(keeper.key().max_message)];
    let mut seat = Seat::default();
    loop {
        let length = match recv(socket, packet.as_mut_slice(), RecvFlags::TRUNC) {
            Ok((_, length)) if length > 0 => length,
            Err(Errno::INTR) => continue,
            // the end, or as good as that
            Ok(_) | Err(_) => return,
        };
        // nothing but our own program is at the other end: what it did not write, it does not miss
        let Some(request) = packet.get(..length).and_then(Request::read) else { continue };
        let reply = Reply { number: request.number, answer: answer(keeper, &mut seat, &request) };
        if send(socket, &reply.write(), SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
}

fn answer(keeper: &Keeper, seat: &mut Seat, request: &Request<'_>) -> Answer {
    // nobody waits for it any more, and others do
    if message::now() > request.until {
        return Answer::Late;
    }
    // a panic is one answer, and may have left the session in the middle of something
    let signed = catch_unwind(AssertUnwindSafe(|| keeper.sign(seat, request.method, request.message)));
    match signed {
        Ok(Ok(mac)) => Answer::Signed(mac),
        Ok(Err(error @ (Unsigned::Away(_) | Unsigned::Lost(_)))) => Answer::Away(in_one_line(&error)),
        Ok(Err(error @ Unsigned::Failed(_))) => Answer::Failed(in_one_line(&error)),
        Err(_panic) => {
            *seat = Seat::default();
            Answer::Failed("a bug in countersign: the signer panicked".to_owned())
        }
    }
}

/// An error and its causes: on the other side there is only the text.
fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
