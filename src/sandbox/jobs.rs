//! The jobs of one access key: the newest ten thousand, in memory.

use std::collections::VecDeque;

use jiff::Timestamp;

pub use super::job_type::JobType;
use super::manifest::Manifest;
use super::refusal::Refusal;

/// How many jobs are kept for one access key; the oldest are dropped.
pub const MOST_JOBS: usize = 10_000;

/// How many bytes of manifests are kept for one access key; the oldest jobs are dropped.
pub const MOST_MANIFEST_BYTES: usize = 64 * 1024 * 1024;

/// The stage of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stage {
    /// Created; the device has not been sent.
    Pending,
    /// A shipping label was made, with this tracking number.
    Labelled(String),
    /// Cancelled, which is final.
    Canceled,
}

/// The part of a job that an update replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Import or export.
    pub job_type: JobType,
    /// The manifest as sent.
    pub manifest_text: String,
    /// The manifest as read.
    pub manifest: Manifest,
    /// See `signature_file::signature`.
    pub signature: String,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Five characters of `A-Z 2-7`.
    pub id: String,
    /// When it was created.
    pub created: Timestamp,
    /// What the job is to do.
    pub order: Order,
    /// The stage of the job.
    pub stage: Stage,
}

/// The jobs of one access key, oldest first.
#[derive(Debug, Default)]
pub struct Jobs {
    by_age: VecDeque<Job>,
    manifest_bytes: usize,
}

/// One page of a listing.
#[derive(Debug, PartialEq, Eq)]
pub struct Page<'a> {
    /// Newest first.
    pub jobs: Vec<&'a Job>,
    /// Whether older jobs follow.
    pub is_truncated: bool,
}

impl Jobs {
    /// Creates a job for `order` and returns its ID, which is derived from `seed`, a random number.
    pub fn create(&mut self, order: Order, seed: u128, now: Timestamp) -> String {
        let id = self.unused_id(seed);
        self.manifest_bytes = self.manifest_bytes.saturating_add(order.manifest_text.len());
        self.by_age.push_back(Job { id: id.clone(), created: now, order, stage: Stage::Pending });
        self.forget_oldest();
        id
    }

    /// A job that was not cancelled.
    ///
    /// # Errors
    /// [`Refusal::UnknownJob`] (never created, created under another key, or dropped), [`Refusal::CanceledJob`].
    pub fn active(&self, id: &str) -> Result<&Job, Refusal> {
        let job = self.by_age.iter().find(|job| job.id == id).ok_or(Refusal::UnknownJob)?;
        if job.stage == Stage::Canceled { Err(Refusal::CanceledJob) } else { Ok(job) }
    }

    /// Replaces the order of a job.
    ///
    /// # Errors
    /// As [`Self::active`], and [`Refusal::UnchangeableJobType`].
    pub fn update(&mut self, id: &str, order: Order) -> Result<(), Refusal> {
        let added = order.manifest_text.len();
        let job = self.active_mut(id)?;
        if job.order.job_type != order.job_type {
            return Err(Refusal::UnchangeableJobType);
        }
        let removed = job.order.manifest_text.len();
        job.order = order;
        self.manifest_bytes = self.manifest_bytes.saturating_add(added).saturating_sub(removed);
        self.forget_oldest();
        Ok(())
    }

    /// Sets the stage of a job.
    ///
    /// # Errors
    /// As [`Self::active`].
    pub fn advance(&mut self, id: &str, stage: Stage) -> Result<(), Refusal> {
        self.active_mut(id)?.stage = stage;
        Ok(())
    }

    /// The jobs created before the job `marker`, or all of them, newest first, at most `most`.
    ///
    /// # Errors
    /// [`Refusal::InvalidParameter`] if there is no job `marker`.
    pub fn page(&self, marker: Option<&str>, most: usize) -> Result<Page<'_>, Refusal> {
        let newest_first = || self.by_age.iter().rev();
        let skipped = match marker {
            None => 0,
            Some(marker) => newest_first()
                .position(|job| job.id == marker)
                .ok_or(Refusal::InvalidParameter { name: "Marker", expected: "the JobId of one of your jobs" })?
                .saturating_add(1),
        };
        let jobs: Vec<_> = newest_first().skip(skipped).take(most).collect();
        let is_truncated = skipped.saturating_add(jobs.len()) < self.by_age.len();
        Ok(Page { jobs, is_truncated })
    }

    fn active_mut(&mut self, id: &str) -> Result<&mut Job, Refusal> {
        let job = self.by_age.iter_mut().find(|job| job.id == id).ok_or(Refusal::UnknownJob)?;
        if job.stage == Stage::Canceled { Err(Refusal::CanceledJob) } else { Ok(job) }
    }

    /// Keeps at least the newest job, however long its manifest is: the client is about to get its ID.
    fn forget_oldest(&mut self) {
        while self.by_age.len() > 1 && (self.by_age.len() > MOST_JOBS || self.manifest_bytes > MOST_MANIFEST_BYTES) {
            if let Some(oldest) = self.by_age.pop_front() {
                self.manifest_bytes = self.manifest_bytes.saturating_sub(oldest.order.manifest_text.len());
            }
        }
    }

    /// This loop ends, since there are 3,000 times as many IDs as jobs.
    fn unused_id(&self, seed: u128) -> String {
        let mut seed = seed;
        loop {
            let id = id_from(seed);
            if self.by_age.iter().all(|job| job.id != id) {
                return id;
            }
            seed = seed.wrapping_add(1);
        }
    }
}

/// The lowest 25 bits as five base 32 digits. RFC 4648's alphabet lacks 0, 1, 8 and 9, which look like letters on
/// labels.
fn id_from(seed: u128) -> String {
    (0..5_u32)
        .map(|digit| match (seed >> digit.saturating_mul(5)) & 31 {
            letter @ 0..=25 => char::from(b'A'.saturating_add(u8::try_from(letter).unwrap_or(0))),
            number => char::from(b'2'.saturating_add(u8::try_from(number.saturating_sub(26)).unwrap_or(0))),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::manifest::tests::IMPORT;

    fn order(manifest_text: &str) -> Order {
        let manifest = Manifest::check(IMPORT, JobType::Import, "AKIAIOSFODNN7EXAMPLE").unwrap();
        Order { job_type: JobType::Import, manifest_text: manifest_text.to_owned(), manifest, signature: String::new() }
    }

    fn filled(count: u128) -> Jobs {
        let mut jobs = Jobs::default();
        for seed in 0..count {
            jobs.create(order("a: 1"), seed, Timestamp::UNIX_EPOCH);
        }
        jobs
    }

    fn ids(page: &Page<'_>) -> Vec<String> {
        page.jobs.iter().map(|job| job.id.clone()).collect()
    }

    #[test]
    fn ids_are_five_characters_and_never_given_twice() {
        let mut jobs = filled(40);
        assert_eq!(jobs.create(order(""), 31 << 20, Timestamp::UNIX_EPOCH), "AAAA7");
        assert_eq!(jobs.create(order(""), 0, Timestamp::UNIX_EPOCH), "IBAAA", "the first free one after 0");
    }

    #[test]
    fn pages_go_from_the_newest_to_the_oldest() {
        let jobs = filled(5);
        let first = jobs.page(None, 2).unwrap();
        assert_eq!((ids(&first), first.is_truncated), (vec!["EAAAA".to_owned(), "DAAAA".to_owned()], true));
        let second = jobs.page(Some("DAAAA"), 2).unwrap();
        assert_eq!((ids(&second), second.is_truncated), (vec!["CAAAA".to_owned(), "BAAAA".to_owned()], true));
        let last = jobs.page(Some("BAAAA"), 2).unwrap();
        assert_eq!((ids(&last), last.is_truncated), (vec!["AAAAA".to_owned()], false));
        assert!(!jobs.page(None, 5).unwrap().is_truncated, "a page that is just full ends the list");
        assert_eq!(jobs.page(Some("77777"), 2).unwrap_err().code(), "InvalidParameterException");
        assert_eq!(Jobs::default().page(None, 2).unwrap().jobs.len(), 0);
    }

    #[test]
    fn a_cancelled_job_stays_listed_and_takes_no_more_orders() {
        let mut jobs = filled(1);
        jobs.advance("AAAAA", Stage::Canceled).unwrap();
        assert_eq!(jobs.active("AAAAA").unwrap_err(), Refusal::CanceledJob);
        assert_eq!(jobs.update("AAAAA", order("a: 2")).unwrap_err(), Refusal::CanceledJob);
        assert_eq!(jobs.advance("AAAAA", Stage::Canceled).unwrap_err(), Refusal::CanceledJob);
        assert_eq!(jobs.page(None, 1).unwrap().jobs[0].stage, Stage::Canceled);
        assert_eq!(jobs.active("BAAAA").unwrap_err(), Refusal::UnknownJob);
    }

    #[test]
    fn an_update_replaces_the_manifest_but_not_the_job_type() {
        let mut jobs = filled(1);
        jobs.update("AAAAA", order("a: 2")).unwrap();
        assert_eq!(jobs.active("AAAAA").unwrap().order.manifest_text, "a: 2");
        let export = Order { job_type: JobType::Export, ..order("a: 3") };
        assert_eq!(jobs.update("AAAAA", export).unwrap_err(), Refusal::UnchangeableJobType);
    }

    #[test]
    fn the_oldest_jobs_are_forgotten_when_there_is_too_much_to_remember() {
        let mut jobs = Jobs::default();
        let large = "a".repeat(MOST_MANIFEST_BYTES / 4);
        for seed in 0..5 {
            jobs.create(order(&large), seed, Timestamp::UNIX_EPOCH);
        }
        assert_eq!(jobs.active("AAAAA").unwrap_err(), Refusal::UnknownJob);
        assert!(jobs.active("BAAAA").is_ok());
        jobs.update("BAAAA", order("short")).unwrap();
        jobs.create(order("short"), 5, Timestamp::UNIX_EPOCH);
        assert!(jobs.active("BAAAA").is_ok(), "an update gives back the room of the old manifest");
    }
}
