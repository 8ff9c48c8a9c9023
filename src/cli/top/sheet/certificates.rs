//! Certificates that countersign shows.

use super::{Cell, Column, Row, Sheet, Tone};
use crate::cli::top::figures::until;
use crate::status::{Certificate, CertificateState};

pub(super) fn sheet(certificates: &[Certificate]) -> Sheet {
    Sheet {
        title: "Certificates",
        columns: vec![
            Column::left("OF", 0),
            Column::left("STATE", 1),
            Column::left("EXPIRES", 2),
            Column::left("FILE", 3),
        ],
        rows: certificates.iter().map(row).collect(),
        nothing: "no certificates",
    }
}

fn row(certificate: &Certificate) -> Row {
    let (state, tone) = match certificate.state {
        CertificateState::Valid => ("valid", Tone::Good),
        CertificateState::EndsSoon => ("ends soon", Tone::Warning),
        CertificateState::Ended => ("ENDED", Tone::Bad),
        CertificateState::NotYet => ("NOT YET VALID", Tone::Bad),
    };
    let mut detail =
        vec![format!("{}: {}", certificate.of, certificate.file), format!("ends: {}", certificate.expires_at)];
    match certificate.state {
        CertificateState::Valid => {}
        CertificateState::EndsSoon | CertificateState::Ended => {
            detail.push("to do: renew the certificate and write the file; it is read again by itself".to_owned());
        }
        CertificateState::NotYet => detail.push("to do: is this host's clock right?".to_owned()),
    }
    Row {
        cells: vec![
            Cell::plain(&certificate.of),
            Cell::toned(state, tone),
            Cell::toned(until(certificate.expires_in_seconds), if tone == Tone::Good { Tone::Plain } else { tone }),
            Cell::plain(&certificate.file),
        ],
        detail,
    }
}
