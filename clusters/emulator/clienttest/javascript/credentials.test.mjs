import test from 'node:test';
import assert from 'node:assert/strict';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { config, refused, world } from './world.mjs';

// The default chain of the SDK, as in a pod with Pod Identity: AWS_CONTAINER_CREDENTIALS_FULL_URI and
// AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.
test('a pod reads the prefix of its namespace, and no other', async () => {
  const who = await new STSClient(config()).send(new GetCallerIdentityCommand({}));
  assert.match(who.Arn, new RegExp(`^arn:aws:sts::123456789012:assumed-role/epi-bucket-user/eks-${world.cluster}-web-0-`));
  const s3 = new S3Client(config());
  const object = await s3.send(new GetObjectCommand({ Bucket: world.bucket, Key: world.ownKey }));
  assert.equal(await object.Body.transformToString(), 'for default');
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket: world.bucket, Key: world.othersKey })), refused('AccessDenied', 403));
});
