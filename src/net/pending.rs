//! Pictures that are being made: at once on the CPU, elsewhere while the program goes on.
//!
//! A device takes work in order and answers later. [`Pending::coming`] asks for the answer at once, so that
//! what is begun after it does not have to be finished before it comes; [`super::generator::Ready::begin`]
//! makes these, the generator's thread waits for them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Bytes in RGB order, there or on their way. Empty if the device failed.
pub struct Pending(State);

enum State {
    There(Vec<u8>),
    Coming(Pin<Box<dyn Future<Output = Vec<u8>>>>),
}

/// Wakes the thread that waits.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl Pending {
    /// Bytes that are made already.
    pub fn there(bytes: Vec<u8>) -> Self {
        Self(State::There(bytes))
    }

    /// Bytes that `future` will give; it is set going now.
    pub fn coming(future: impl Future<Output = Vec<u8>> + 'static) -> Self {
        let mut pending = Self(State::Coming(Box::pin(future)));
        pending.look();
        pending
    }

    /// The bytes of several, one after the other; empty if one of them is.
    pub fn all(parts: Vec<Self>) -> Self {
        Self::coming(async move {
            let mut all = Vec::new();
            for part in parts {
                let bytes = match part.0 {
                    State::There(bytes) => bytes,
                    State::Coming(future) => future.await,
                };
                if bytes.is_empty() {
                    return bytes;
                }
                all.extend(bytes);
            }
            all
        })
    }

    /// Whether the bytes are there.
    pub fn look(&mut self) -> bool {
        self.poll(Waker::noop())
    }

    /// The bytes, waiting for them.
    pub fn wait(mut self) -> Vec<u8> {
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        loop {
            if self.poll(&waker)
                && let State::There(bytes) = self.0
            {
                return bytes;
            }
            thread::park();
        }
    }

    fn poll(&mut self, waker: &Waker) -> bool {
        if let State::Coming(future) = &mut self.0
            && let Poll::Ready(bytes) = future.as_mut().poll(&mut Context::from_waker(waker))
        {
            self.0 = State::There(bytes);
        }
        matches!(self.0, State::There(_))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn what_is_coming_is_set_going_and_waited_for() {
        let (sender, receiver) = channel();
        let mut begun = Pending::coming(async { vec![1] });
        assert!(begun.look());
        assert_eq!(begun.wait(), [1]);
        // A future that is woken from another thread.
        let mut asked = 0;
        let mut pending = Pending::coming(std::future::poll_fn(move |context| {
            asked += 1;
            if let Ok(byte) = receiver.try_recv() {
                return Poll::Ready(vec![byte, asked]);
            }
            let (waker, sender) = (context.waker().clone(), sender.clone());
            if asked == 3 {
                thread::spawn(move || {
                    let _ = sender.send(7);
                    waker.wake();
                });
            }
            Poll::Pending
        }));
        assert!(!pending.look());
        assert_eq!(pending.wait(), [7, 4]);
        let part = |bytes: &[u8]| Pending::there(bytes.to_vec());
        let later = Pending::coming(async { vec![3] });
        assert_eq!(Pending::all(vec![part(&[1, 2]), later, part(&[4])]).wait(), [1, 2, 3, 4]);
        assert!(Pending::all(vec![part(&[1, 2]), part(&[])]).wait().is_empty());
    }
}
