// AWS SDK for JavaScript v3 with its default chain, as a workload has it. It prints what
// framework/probe has the words for.
import { createHash } from 'node:crypto';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

const [operation, ...args] = process.argv.slice(2);
// Versions before 3.460 know no AWS_ENDPOINT_URL.
const endpoint = process.env.AWS_ENDPOINT_URL || undefined;
const credentials = fromNodeProviderChain();
const config = { endpoint, region: process.env.AWS_REGION, credentials, forcePathStyle: Boolean(endpoint), maxAttempts: 1 };

const operations = {
  identity: async () => {
    const caller = await send('GetCallerIdentity', () => new STSClient(config).send(new GetCallerIdentityCommand({})));
    return { arn: caller.Arn, account: caller.Account, userID: caller.UserId };
  },
  's3-head': async (Bucket, Key) => {
    const head = await send('HeadObject', () => new S3Client(config).send(new HeadObjectCommand({ Bucket, Key })));
    return { size: head.ContentLength };
  },
  's3-get': async (Bucket, Key) => {
    const object = await send('GetObject', () => new S3Client(config).send(new GetObjectCommand({ Bucket, Key })));
    const body = await object.Body.transformToByteArray();
    return { size: body.length, sha256: createHash('sha256').update(body).digest('hex') };
  },
  // The client, not this program, decides when to ask for credentials again.
  refresh: async times => {
    const client = new STSClient({ ...config, credentials: undefined });
    const accessKeyIDs = [];
    try {
      for (let i = 0; i < Number(times); i++) {
        const { accessKeyId } = await client.config.credentials();
        accessKeyIDs.push(`${accessKeyId.slice(0, 4)}…${accessKeyId.slice(-4)}`);
      }
    } catch (error) {
      return { accessKeyIDs, failure: credentialsFailed(error) };
    }
    return { accessKeyIDs };
  },
};

class Refused extends Error {
  constructor(failure) {
    super(failure.message);
    this.failure = failure;
  }
}

async function send(name, request) {
  try {
    return await request();
  } catch (error) {
    const status = error.$metadata?.httpStatusCode;
    throw new Refused(
      status
        ? { class: 'api-error', operation: name, status, code: error.name, message: error.message }
        : { class: 'network-error', operation: name, message: String(error.message) },
    );
  }
}

function credentialsFailed(error) {
  const configured = process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI || process.env.AWS_WEB_IDENTITY_TOKEN_FILE;
  return { class: configured ? 'credentials-failed' : 'no-credentials', operation: 'credentials', message: String(error.message) };
}

async function run() {
  try {
    if (operation !== 'refresh') {
      await credentials();
    }
  } catch (error) {
    return { failure: credentialsFailed(error) };
  }
  try {
    return await operations[operation](...args);
  } catch (error) {
    return { failure: error.failure ?? { class: 'network-error', operation, message: String(error.message) } };
  }
}

console.log(JSON.stringify(await run()));
