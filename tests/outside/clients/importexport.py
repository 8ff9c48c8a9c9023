"""boto3 clients of AWS Import/Export, with and without keys, and what they send."""

import boto3
import botocore
from botocore.config import Config
from botocore.handlers import disable_signing

# examples of AWS's documentation: the key that the endpoint knows, and one for programs that must be given something
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
PLACEHOLDER_ID = "AKIAI44QH8DHBEXAMPLE"
PLACEHOLDER_SECRET = "je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY"
PLACEHOLDER = {
    "aws_access_key_id": PLACEHOLDER_ID,
    "aws_secret_access_key": PLACEHOLDER_SECRET,
    "aws_session_token": "placeholder",
}

IMPORT = f"""\
manifestVersion: 2.0
generator: Test & <Co>
accessKeyId: {KEY_ID}
deviceId: HD-0001
eraseDevice: yes
bucket: amzn-s3-demo-bucket
logPrefix: logs/
returnAddress:
    name: Jané Roe
    company: Example Corp.
    street1: 123 Any Street
    city: Anytown
    stateOrProvince: WA
    postalCode: 91011-1111
    phoneNumber: 206-555-1111
    country: USA
"""

EXPORT = IMPORT.replace("eraseDevice: yes\nbucket: amzn-s3-demo-bucket", """\
fileSystem: EXT4
logBucket: amzn-s3-demo-logging-bucket
operations:
  - exportBucket: amzn-s3-demo-bucket
    prefix: images/
  - exportBucket: amzn-s3-demo-bucket2""")

ONE_ATTEMPT = {"total_max_attempts": 1}


def signing_client(url, key_id=KEY_ID, secret=SECRET, token=None, retries=ONE_ATTEMPT, **arguments):
    """A client that signs with Signature Version 2 by itself."""
    service = boto3.client(
        "importexport",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(signature_version="v2", retries=retries),
        **arguments,
    )
    # the model still says Signature Version 2 and botocore still has a signer for it, but its endpoint rules name
    # Version 4, and they win over `signature_version` in the configuration
    service.meta.events.register_first("choose-signer.importexport", lambda **_: "v2")
    return service


def unsigned_client(url, retries=ONE_ATTEMPT):
    """A client that has no key and does not sign."""
    config = Config(signature_version=botocore.UNSIGNED, retries=retries)
    service = boto3.client("importexport", region_name="us-east-1", endpoint_url=url, config=config)
    # `UNSIGNED` alone is enough for services whose endpoint rules name no signature; those of Import/Export do, and win
    service.meta.events.register_first("choose-signer.importexport", disable_signing)
    return service


def placeholder_client(url, retries=ONE_ATTEMPT):
    """A client that signs in its service's own way, with keys that open nothing."""
    config = Config(retries=retries)
    return boto3.client("importexport", region_name="us-east-1", endpoint_url=url, config=config, **PLACEHOLDER)


def placeholder_v2_client(url, retries=ONE_ATTEMPT):
    """The same, made to sign with Version 2: the form itself is full of authentication parameters."""
    return signing_client(url, PLACEHOLDER_ID, PLACEHOLDER_SECRET, "placeholder", retries)
