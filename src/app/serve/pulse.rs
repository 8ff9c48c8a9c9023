//! Finds out whether every worker turns: the service manager's watchdog is fed only while all of them do.
//!
//! The main thread asks, and each worker answers between two turns of its runtime. Nothing is counted while requests
//! are served, and a worker without traffic is woken only for the question.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The side of the main thread.
pub(crate) struct Pulse {
    workers: usize,
    question: watch::Sender<u64>,
    answers: mpsc::UnboundedReceiver<u64>,
}

/// The side of one worker.
#[derive(Clone)]
pub(super) struct Asked {
    question: watch::Receiver<u64>,
    answers: mpsc::UnboundedSender<u64>,
}

/// A pulse that is taken again and again.
pub(crate) struct Watchdog {
    pulse: Pulse,
    questions: Interval,
    /// How many workers have answered the last question.
    answered: usize,
}

impl Pulse {
    /// Of so many workers, each of which gets a clone of the second.
    pub(super) fn of(workers: usize) -> (Self, Asked) {
        let (question, asked) = watch::channel(0);
        let (sender, answers) = mpsc::unbounded_channel();
        (Self { workers, question, answers }, Asked { question: asked, answers: sender })
    }

    /// Takes it every `period`, for the first time now. The runtime must have been entered.
    pub(crate) fn every(self, period: Duration) -> Watchdog {
        let mut questions = interval(period);
        // after a time in which this thread did not run either, one question is enough
        questions.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // there is no question yet that could be unanswered
        let answered = self.workers;
        Watchdog { pulse: self, questions, answered }
    }
}

impl Asked {
    /// Answers until it is dropped.
    pub(super) async fn answer(mut self) -> Infallible {
        while self.question.changed().await.is_ok() {
            let number = *self.question.borrow_and_update();
            let _nobody_asks_any_more = self.answers.send(number);
        }
        std::future::pending().await
    }
}

impl Watchdog {
    /// Waits until every worker has answered the last question. If it is dropped before, the next call goes on from
    /// there.
    pub(crate) async fn every_worker_turns(&mut self) {
        loop {
            tokio::select! {
                _ = self.questions.tick() => self.ask(),
                Some(number) = self.pulse.answers.recv() => {
                    // a late answer to an earlier question says nothing of now: the worker answers the last one too
                    if number == *self.pulse.question.borrow() {
                        self.answered = self.answered.saturating_add(1);
                        if self.answered == self.pulse.workers {
                            return;
                        }
                    }
                }
            }
        }
    }

    fn ask(&mut self) {
        let Pulse { workers, question, .. } = &self.pulse;
        if self.answered < *workers {
            tracing::error!(
                workers,
                answered = self.answered,
                within = ?self.questions.period(),
                "a worker does not turn: the service manager's watchdog is not fed, and will end this process"
            );
        }
        self.answered = 0;
        question.send_modify(|number| *number = number.wrapping_add(1));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, timeout};

    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    /// Workers that answer, each with a handle that stops it, and the watchdog.
    fn workers(count: usize) -> (Vec<tokio::task::JoinHandle<Infallible>>, Watchdog) {
        let (pulse, asked) = Pulse::of(count);
        let workers = (0..count).map(|_| tokio::spawn(asked.clone().answer())).collect();
        (workers, pulse.every(PERIOD))
    }

    #[tokio::test(start_paused = true)]
    async fn while_all_workers_turn_the_watchdog_is_fed_at_once_and_then_each_period() {
        let (_workers, mut watchdog) = workers(3);
        let begun = Instant::now();
        for period in 0..4 {
            watchdog.every_worker_turns().await;
            assert_eq!(begun.elapsed().as_secs(), period * PERIOD.as_secs());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_worker_of_several_that_does_not_turn_is_enough_for_the_watchdog_to_starve() {
        let (workers, mut watchdog) = workers(3);
        watchdog.every_worker_turns().await;
        workers[1].abort();
        assert!(timeout(PERIOD * 100, watchdog.every_worker_turns()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn answers_of_the_same_worker_to_several_questions_do_not_stand_for_those_of_others() {
        let (pulse, asked) = Pulse::of(2);
        let mut watchdog = pulse.every(PERIOD);
        let _worker = tokio::spawn(asked.answer());
        assert!(timeout(PERIOD * 10, watchdog.every_worker_turns()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_was_held_up_for_some_periods_is_no_reason_to_starve_after_that() {
        let (pulse, asked) = Pulse::of(2);
        let mut watchdog = pulse.every(PERIOD);
        let _worker = tokio::spawn(asked.clone().answer());
        assert!(timeout(PERIOD * 5, watchdog.every_worker_turns()).await.is_err());
        let _late = tokio::spawn(asked.answer());
        assert!(timeout(PERIOD, watchdog.every_worker_turns()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_that_was_given_up_begins_again_where_it_was() {
        let (_workers, mut watchdog) = workers(2);
        let begun = Instant::now();
        for _ in 0..40 {
            // dropped in the middle, as a `select!` does it
            let _ended = timeout(Duration::from_secs(1), watchdog.every_worker_turns()).await;
        }
        assert!(timeout(PERIOD, watchdog.every_worker_turns()).await.is_ok());
        assert!(begun.elapsed() <= PERIOD * 4);
    }
}
