# Boto3 against the emulator's S3: what it presigns, and forms. Prints one line of JSON by check.
import json
import os
import urllib.error
import urllib.request
import uuid

import boto3
from botocore.config import Config

url, bucket = os.environ["EPI_URL"], os.environ["EPI_BUCKET"]


def client(**config):
    return boto3.client("s3", endpoint_url=url, region_name="us-west-2", config=Config(s3={"addressing_style": "path"}, **config))


default, v4 = client(), client(signature_version="s3v4")


def send(method, to, data=None, headers=None):
    try:
        answer = urllib.request.urlopen(urllib.request.Request(to, method=method, data=data, headers=headers or {}))
        return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def post(by, fields=None, conditions=None, body="content"):
    form = by.generate_presigned_post(bucket, "boto3/${filename}", Fields=fields, Conditions=conditions, ExpiresIn=60)
    boundary = uuid.uuid4().hex
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in form["fields"].items()]
    parts.append(f'Content-Disposition: form-data; name="file"; filename="form.txt"\r\nContent-Type: text/plain\r\n\r\n{body}')
    text = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts) + f"--{boundary}--\r\n"
    return send("POST", form["url"], text.encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"})


def tell(name, answer):
    print(json.dumps({"name": name, "status": answer[0], "body": answer[1]}))


default.put_object(Bucket=bucket, Key="boto3/k", Body=b"content")
object_ = {"Bucket": bucket, "Key": "boto3/k"}
tell("presigned by default", send("GET", default.generate_presigned_url("get_object", Params=object_)))
tell("presigned with version 4", send("GET", v4.generate_presigned_url("get_object", Params=object_)))
tell("form by default", post(default))
tell("form with version 4", post(v4))
tell("what the form made", send("GET", v4.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "boto3/form.txt"})))
tell("form with fields", post(v4, {"success_action_status": "201", "x-amz-meta-a": "b"}, [{"success_action_status": "201"}, {"x-amz-meta-a": "b"}]))
tell("form that is too long", post(v4, None, [["content-length-range", 1, 3]]))
tell("form with a field that is not the policy's", post(v4, {"x-amz-meta-a": "b"}))
