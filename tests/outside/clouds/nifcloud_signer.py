"""Signs with NIFCLOUD's SDK, in whose environment it runs: a line of JSON in, the signature as a line of JSON out."""

import json
import sys

from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from nifcloud.auth import SigV2ComputingAuth

for line in sys.stdin:
    asked = json.loads(line)
    signer = SigV2ComputingAuth(Credentials("unused", asked["secret"]))
    request = AWSRequest(method="POST", url=asked["url"])
    print(json.dumps(signer.calc_signature(request, asked["parameters"])[1]), flush=True)
