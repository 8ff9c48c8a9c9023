//! Requests of the training load that the benchmark does not measure: unusual spellings, and requests that are refused.

use super::callers::{bearer, form, post};

/// Valid requests, written as few clients write them.
pub fn accepted() -> Vec<String> {
    let token = bearer(0);
    let form = form(400);
    let (first, second) = form.split_at(100);
    vec![
        post(&token, &form),
        format!(
            "POST / HTTP/1.1\r\nhost: LOCALHOST\r\n{token}content-type: application/x-www-form-urlencoded\r\n\
             transfer-encoding: chunked\r\n\r\n{:x}\r\n{first}\r\n{:x};name=value\r\n{second}\r\n0\r\n\r\n",
            first.len(),
            second.len()
        ),
        post(&token, "%41ction=Get%53tatus&Job%49d=%4a%4F%42ID&Version=2010-06-03"),
        post(&token, "Version=2010-06-03&Note=%C3%A4+%e2%82%ac%20~*-._&Empty=&Action=ListJobs&Also+empty"),
        post(&token, &(0..60).fold("Action=GetStatus".to_owned(), |form, n| format!("{form}&Item.{n}.Name={n}+of+60"))),
        post(
            &format!(
                "{}User-Agent: Boto3/1.40 md/Botocore#1.40 ua/2.1 os/linux\r\nAccept: */*\r\n\
                      Accept-Encoding: gzip, deflate, br\r\nX-Unknown: {}\r\n",
                token,
                "x".repeat(200)
            ),
            &form,
        ),
        post(&token, &form)
            .replace("Content-Type: ", "CONTENT-TYPE:   ")
            .replace("urlencoded", "urlencoded; charset=UTF-8"),
    ]
}

/// Requests whose responses have a status from 400 to 499.
pub fn refused() -> Vec<String> {
    let token = bearer(0);
    let form = form(120);
    vec![
        post(&token, "Action=CreateJob&Version=2010-06-03"),
        post(&token, "Action=DeleteEverything&Version=2010-06-03"),
        post(&token, "Action=GetStatus&Action=CreateJob&Version=2010-06-03"),
        post(&token, "Version=2010-06-03"),
        post(&token, "Action=Get%ZZStatus"),
        post("Authorization: Bearer of-nobody\r\n", &form),
        post("", &form),
        post(&token, &form).replace("Host: localhost", "Host: elsewhere.example"),
        post(&token, &form).replace("POST / ", "POST /nowhere "),
        post(&token, &form).replace("POST / ", "DELETE / "),
        post(&token, &form).replace("application/x-www-form-urlencoded", "application/json"),
        post(&token, &form).replace("Content-Length: ", "Content-Length: 9999999999"),
        post(&token, &form).replace("Host: localhost\r\n", "Host: localhost\r\nHost: localhost\r\n"),
        post(&token, &form).replace("Host: ", "Host : "),
        "no request\r\n\r\n".to_owned(),
    ]
}
