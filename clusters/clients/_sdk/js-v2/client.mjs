// AWS SDK for JavaScript v2 with its default chain, as a workload has it. It prints what
// framework/probe has the words for.
import { createHash } from 'node:crypto';
import AWS from 'aws-sdk';

const [operation, ...args] = process.argv.slice(2);
// SDK v2 knows no AWS_ENDPOINT_URL.
const endpoint = process.env.AWS_ENDPOINT_URL || undefined;
const config = { endpoint, region: process.env.AWS_REGION, s3ForcePathStyle: Boolean(endpoint), maxRetries: 0 };

const operations = {
  identity: async () => {
    const caller = await send('GetCallerIdentity', new AWS.STS(config).getCallerIdentity({}));
    return { arn: caller.Arn, account: caller.Account, userID: caller.UserId };
  },
  's3-head': async (Bucket, Key) => {
    const head = await send('HeadObject', new AWS.S3(config).headObject({ Bucket, Key }));
    return { size: head.ContentLength };
  },
  's3-get': async (Bucket, Key) => {
    const { Body } = await send('GetObject', new AWS.S3(config).getObject({ Bucket, Key }));
    return { size: Body.length, sha256: createHash('sha256').update(Body).digest('hex') };
  },
  // The client, not this program, decides when to ask for credentials again.
  refresh: async times => {
    const client = new AWS.STS(config);
    const accessKeyIDs = [];
    try {
      for (let i = 0; i < Number(times); i++) {
        const { accessKeyId } = await credentialsOf(client);
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
    return await request.promise();
  } catch (error) {
    throw new Refused(
      error.statusCode
        ? { class: 'api-error', operation: name, status: error.statusCode, code: error.code, message: error.message ?? '' }
        : { class: 'network-error', operation: name, message: String(error.message) },
    );
  }
}

function credentialsOf(client) {
  return new Promise((resolve, reject) => {
    client.config.getCredentials((error, found) => (error ? reject(error) : resolve(found)));
  });
}

function credentialsFailed(error) {
  const configured = process.env.AWS_CONTAINER_CREDENTIALS_FULL_URI || process.env.AWS_WEB_IDENTITY_TOKEN_FILE;
  const message = [error.message, error.originalError?.message].filter(Boolean).join(': ');
  return { class: configured ? 'credentials-failed' : 'no-credentials', operation: 'credentials', message };
}

async function run() {
  try {
    if (operation !== 'refresh') {
      await credentialsOf(new AWS.STS(config));
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
