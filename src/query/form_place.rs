//! Where a request has its form: in its body, or in the query string of its target.

/// A way to send a form, as `accept` of a route names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormPlace {
    /// In the body of a POST.
    PostBody,
    /// In the query string of a GET.
    GetQuery,
    /// In the query string of a POST without a body.
    PostQuery,
}

impl FormPlace {
    /// The names in the configuration.
    pub const WORDS: [(&'static str, Self); 3] =
        [("post", Self::PostBody), ("get", Self::GetQuery), ("post-query", Self::PostQuery)];

    /// Whether the form is in the query string. A web page can make a browser send such a request more easily than one
    /// with a body, and programs on the way write query strings to their logs.
    #[must_use]
    pub const fn is_query(self) -> bool {
        match self {
            Self::PostBody => false,
            Self::GetQuery | Self::PostQuery => true,
        }
    }
}
