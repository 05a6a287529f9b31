# The AWS CLI, as a workload runs it. It prints what framework/probe has the words for.
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile


def aws(*arguments):
    # Version 2 before 2.13 knows no AWS_ENDPOINT_URL.
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    command = ["/usr/bin/aws", *arguments, "--output", "json"] + (["--endpoint-url", endpoint] if endpoint else [])
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise Failed(done.stderr.strip())
    return json.loads(done.stdout)


class Failed(Exception):
    pass


def identity():
    caller = aws("sts", "get-caller-identity")
    return {"arn": caller["Arn"], "account": caller["Account"], "userID": caller["UserId"]}


def head(bucket, key):
    return {"size": aws("s3api", "head-object", "--bucket", bucket, "--key", key)["ContentLength"]}


def get(bucket, key):
    with tempfile.NamedTemporaryFile() as file:
        aws("s3api", "get-object", "--bucket", bucket, "--key", key, file.name)
        body = file.read()
    return {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def classify(text):
    # https://docs.aws.amazon.com/cli/latest/userguide/cli-usage-returncodes.html
    refused = re.search(r"An error occurred \((\w+)\) when calling the (\w+) operation(?: \(.*?\))?: (.*)", text, re.DOTALL)
    if refused:
        code, operation, message = refused.groups()
        status = int(code) if code.isdigit() else {"AccessDenied": 403}.get(code, 0)
        return {"class": "api-error", "operation": operation, "status": status, "code": code, "message": message}
    configured = os.environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") or os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE")
    return {"class": "credentials-failed" if configured else "no-credentials", "operation": "credentials", "message": text}


operations = {"identity": identity, "s3-head": head, "s3-get": get}
try:
    print(json.dumps(operations[sys.argv[1]](*sys.argv[2:])))
except Failed as error:
    print(json.dumps({"failure": classify(str(error))}))
