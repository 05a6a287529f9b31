# AWS SDK for Python (Boto3) with its default session, as a workload has it. It prints what
# framework/probe has the words for.
import hashlib
import json
import os
import sys

import boto3
import botocore.config
import botocore.exceptions


def client(name):
    # Boto3 before 1.28 knows no AWS_ENDPOINT_URL.
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or None
    settings = botocore.config.Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"} if endpoint else None)
    return session.client(name, endpoint_url=endpoint, region_name=os.environ.get("AWS_REGION"), config=settings)


def identity():
    caller = client("sts").get_caller_identity()
    return {"source": found.method, "arn": caller["Arn"], "account": caller["Account"], "userID": caller["UserId"]}


def head(bucket, key):
    return {"size": client("s3").head_object(Bucket=bucket, Key=key)["ContentLength"]}


def get(bucket, key):
    body = client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def refresh(times):
    # The session, not this program, decides when to ask for credentials again.
    seen = []
    try:
        for _ in range(int(times)):
            key = found.get_frozen_credentials().access_key
            seen.append(key[:4] + "…" + key[-4:])
    except Exception as error:
        return {"accessKeyIDs": seen, "failure": credentials_failed(str(error))}
    return {"accessKeyIDs": seen}


def credentials_failed(message):
    configured = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") or os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    return {"class": "credentials-failed" if configured else "no-credentials", "operation": "credentials", "message": message}


def classify(error):
    if isinstance(error, botocore.exceptions.ClientError):
        answer = error.response
        return {
            "class": "api-error", "operation": error.operation_name, "status": answer["ResponseMetadata"]["HTTPStatusCode"],
            "code": answer["Error"]["Code"], "message": answer["Error"]["Message"],
        }
    return {"class": "network-error", "message": str(error)}


operations = {"identity": identity, "s3-head": head, "s3-get": get, "refresh": refresh}
session = boto3.session.Session()
try:
    found = session.get_credentials()
    failure = None if found else credentials_failed("unable to locate credentials")
except Exception as error:
    failure = credentials_failed(str(error))
if failure:
    print(json.dumps({"failure": failure}))
else:
    try:
        print(json.dumps(operations[sys.argv[1]](*sys.argv[2:])))
    except Exception as error:
        print(json.dumps({"failure": classify(error)}))
