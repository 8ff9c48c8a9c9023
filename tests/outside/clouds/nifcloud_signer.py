"""Signs with NIFCLOUD's SDK, beside the older botocore that it needs.

A line in is the secret, a tab, the URL, a tab, and the form without its signature; a line out is the signature.
"""

import sys
import urllib.parse

from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from nifcloud.auth import SigV2ComputingAuth

for line in sys.stdin:
    secret, url, form = line.rstrip("\n").split("\t")
    parameters = dict(urllib.parse.parse_qsl(form, keep_blank_values=True, strict_parsing=True))
    signer = SigV2ComputingAuth(Credentials("unused", secret))
    print(signer.calc_signature(AWSRequest(method="POST", url=url), parameters)[1], flush=True)
