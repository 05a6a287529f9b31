import test from 'node:test';
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  CopyObjectCommand, DeleteObjectsCommand, GetObjectCommand, GetObjectTaggingCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { config, refused, world } from './world.mjs';

const Bucket = world.bucket;
const admin = new S3Client(config(world.admin));
const as = who => new S3Client(config(who));
const text = async (client, Key) => (await client.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString();

test('put, get, list, copy and delete', async () => {
  for (const Key of ['js/a b+c.txt', 'js/ü/~.txt', 'js/sub/d.txt']) {
    await admin.send(new PutObjectCommand({ Bucket, Key, Body: `content of ${Key}`, ContentType: 'text/x', Metadata: { who: 'js' } }));
    assert.equal(await text(admin, Key), `content of ${Key}`);
  }
  const keys = [];
  const prefixes = [];
  for await (const page of paginateListObjectsV2({ client: admin, pageSize: 1 }, { Bucket, Prefix: 'js/', Delimiter: '/' })) {
    keys.push(...(page.Contents ?? []).map(object => object.Key));
    prefixes.push(...(page.CommonPrefixes ?? []).map(prefix => prefix.Prefix));
  }
  assert.deepEqual([keys, prefixes], [['js/a b+c.txt'], ['js/sub/', 'js/ü/']]);
  await admin.send(new CopyObjectCommand({ Bucket, Key: 'js/copy', CopySource: `${Bucket}/js/a%20b%2Bc.txt` }));
  const head = await admin.send(new HeadObjectCommand({ Bucket, Key: 'js/copy' }));
  assert.deepEqual([head.ContentType, head.Metadata.who, head.ContentLength], ['text/x', 'js', 23]);
  const deleted = await admin.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'js/copy' }, { Key: 'js/sub/d.txt' }] } }));
  assert.equal(deleted.Deleted.length, 2);
  await assert.rejects(text(admin, 'js/copy'), refused('NoSuchKey', 404));
});

// The presigner puts Tagging and the checksum of no body into the query, where S3 ignores them
// (https://github.com/aws/aws-sdk-js-v3/issues/3496, https://github.com/aws/aws-sdk/issues/480).
test('presigned put with tagging and metadata', async () => {
  const Key = 'js/presigned tagging';
  const url = await getSignedUrl(admin, new PutObjectCommand({ Bucket, Key, Tagging: 'team=blue', Metadata: { who: 'js' } }), { expiresIn: 60 });
  assert.match(url, /x-amz-tagging=team%3Dblue/);
  const put = await fetch(url, { method: 'PUT', body: 'content' });
  assert.equal(put.status, 200, await put.text());
  assert.equal(await text(admin, Key), 'content');
  const head = await admin.send(new HeadObjectCommand({ Bucket, Key }));
  assert.equal(head.Metadata.who, 'js');
  // Tags come by the header, which must be signed.
  const signed = await getSignedUrl(admin, new PutObjectCommand({ Bucket, Key, Tagging: 'team=blue' }), { expiresIn: 60, unhoistableHeaders: new Set(['x-amz-tagging']) });
  assert.equal((await fetch(signed, { method: 'PUT', body: 'content', headers: { 'x-amz-tagging': 'team=blue' } })).status, 200);
  assert.equal((await fetch(signed, { method: 'PUT', body: 'content' })).status, 403);
  const tags = await admin.send(new GetObjectTaggingCommand({ Bucket, Key }));
  assert.deepEqual(tags.TagSet, [{ Key: 'team', Value: 'blue' }]);
});

test('decisions', async () => {
  const head = (who, Key) => as(who).send(new HeadObjectCommand({ Bucket, Key }));
  await head(world.getter, world.ownKey);
  await assert.rejects(head(world.admin, 'missing'), refused('NotFound', 404));
  // The answer to HEAD has no body, so the SDK has no name for 403.
  await assert.rejects(head(world.getter, 'missing'), refused('Unknown', 403));
  await assert.rejects(head(world.nobody, world.ownKey), refused('Unknown', 403));
  await assert.rejects(text(as(world.nobody), world.ownKey), refused('AccessDenied', 403));
  await assert.rejects(text(as(world.expired), world.ownKey), refused('ExpiredToken', 400));
  await assert.rejects(text(as(world.invalid), world.ownKey), refused('InvalidToken', 400));
  await assert.rejects(as(world.getter).send(new ListObjectsV2Command({ Bucket })), refused('AccessDenied', 403));
});

test('checksums', async t => {
  for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256']) {
    await t.test(ChecksumAlgorithm, async () => {
      const Key = `js/checksum/${ChecksumAlgorithm}`;
      await admin.send(new PutObjectCommand({ Bucket, Key, Body: 'content', ChecksumAlgorithm }));
      assert.equal(await text(admin, Key), 'content');
    });
  }
  await assert.rejects(
    admin.send(new PutObjectCommand({ Bucket, Key: 'js/wrong', Body: 'content', ChecksumSHA256: 'RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=' })),
    refused('BadDigest', 400),
  );
});

test('a stream is sent in chunks with a trailer', async () => {
  const put = (client, Key) => client.send(new PutObjectCommand({
    Bucket, Key, Body: Readable.from([Buffer.from('one '), Buffer.from('two')]), ContentLength: 7,
  }));
  await put(new S3Client({ ...config(world.admin), requestStreamBufferSize: 65536 }), 'js/stream');
  assert.equal(await text(admin, 'js/stream'), 'one two');
  // S3 wants at least 8192 bytes in all chunks but the last.
  await assert.rejects(put(admin, 'js/small-chunks'), /Only the last chunk is allowed to have a size less than 8192 bytes/);
});

test('multipart upload of 17 MiB', async () => {
  const data = randomBytes(17 << 20);
  const sum = bytes => createHash('sha256').update(bytes).digest('hex');
  const upload = new Upload({ client: admin, params: { Bucket, Key: 'js/large', Body: Readable.from([data.subarray(0, 9 << 20), data.subarray(9 << 20)]) } });
  const done = await upload.done();
  // The library's parts have 5 MiB; the ETag is MD5 of their MD5s and their number.
  const md5 = bytes => createHash('md5').update(bytes).digest();
  const parts = [0, 5, 10, 15].map(start => md5(data.subarray(start << 20, (start + 5) << 20)));
  assert.equal(done.ETag, `"${md5(Buffer.concat(parts)).toString('hex')}-4"`);
  const back = await admin.send(new GetObjectCommand({ Bucket, Key: 'js/large' }));
  assert.equal(sum(await back.Body.transformToByteArray()), sum(data));
  const denied = new Upload({ client: as(world.getter), params: { Bucket, Key: 'js/denied', Body: data } });
  await assert.rejects(denied.done(), refused('AccessDenied', 403));
});

test('presigned URLs', async () => {
  const url = (who, Key) => getSignedUrl(as(who), new GetObjectCommand({ Bucket, Key }), { expiresIn: 60 });
  const fetched = async address => {
    const response = await fetch(address);
    return [response.status, /<Code>(.*)<\/Code>/.exec(await response.text())?.[1]];
  };
  assert.deepEqual(await fetched(await url(world.getter, world.ownKey)), [200, undefined]);
  assert.deepEqual(await fetched(await url(world.nobody, world.ownKey)), [403, 'AccessDenied']);
  assert.deepEqual(await fetched(await url(world.admin, 'missing')), [404, 'NoSuchKey']);
  assert.deepEqual(await fetched(await url(world.expired, world.ownKey)), [400, 'ExpiredToken']);
  assert.deepEqual(await fetched((await url(world.admin, world.ownKey)).replace('default', 'hoge')), [403, 'SignatureDoesNotMatch']);
});

test('presigned PUT without a checksum', async () => {
  const client = new S3Client({ ...config(world.admin), requestChecksumCalculation: 'WHEN_REQUIRED' });
  const url = await getSignedUrl(client, new PutObjectCommand({ Bucket, Key: 'js/put' }), { expiresIn: 60 });
  assert.equal((await fetch(url, { method: 'PUT', body: 'by URL' })).status, 200);
  assert.equal(await text(admin, 'js/put'), 'by URL');
});

test('presigned PUT with the checksum of nothing, which S3 ignores', async () => {
  const url = await getSignedUrl(admin, new PutObjectCommand({ Bucket, Key: 'js/put-default' }), { expiresIn: 60 });
  const response = await fetch(url, { method: 'PUT', body: 'by URL' });
  assert.equal(response.status, 200);
  assert.equal(await text(admin, 'js/put-default'), 'by URL');
});
