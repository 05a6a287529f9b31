import test from 'node:test';
import assert from 'node:assert/strict';
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { config, refused, world } from './world.mjs';

const as = who => new STSClient(config(who));

test('the caller is told who it is', async () => {
  const who = await as(world.admin).send(new GetCallerIdentityCommand({}));
  assert.deepEqual([who.Arn, who.Account], ['arn:aws:iam::123456789012:user/epi-admin', '123456789012']);
});

test('tokens that are over or wrong are refused', async () => {
  await assert.rejects(as(world.expired).send(new GetCallerIdentityCommand({})), refused('ExpiredToken', 403));
  await assert.rejects(as(world.invalid).send(new GetCallerIdentityCommand({})), refused('InvalidClientTokenId', 403));
});

test('a role is assumed by who may', async () => {
  const input = { RoleArn: world.taggedRole, RoleSessionName: 'js', DurationSeconds: 900 };
  const out = await as(world.admin).send(new AssumeRoleCommand(input));
  assert.equal(out.AssumedRoleUser.Arn, 'arn:aws:sts::123456789012:assumed-role/epi-tagged/js');
  await assert.rejects(as(world.nobody).send(new AssumeRoleCommand(input)), refused('AccessDenied', 403));
});

test('a session reads the prefix that its tags name, and no other', async () => {
  const credentials = fromTemporaryCredentials({
    masterCredentials: world.admin,
    clientConfig: config(),
    params: {
      RoleArn: world.taggedRole, RoleSessionName: 'js',
      Tags: [{ Key: 'eks-cluster-name', Value: world.cluster }, { Key: 'kubernetes-namespace', Value: 'hoge' }],
    },
  });
  const s3 = new S3Client(config(credentials));
  const object = await s3.send(new GetObjectCommand({ Bucket: world.bucket, Key: world.othersKey }));
  assert.equal(await object.Body.transformToString(), 'for hoge');
  await assert.rejects(s3.send(new GetObjectCommand({ Bucket: world.bucket, Key: world.ownKey })), refused('AccessDenied', 403));
});
