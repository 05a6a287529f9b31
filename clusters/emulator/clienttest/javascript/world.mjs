// What the Go test prepared, and clients of its callers.
import { readFileSync } from 'node:fs';
import { NodeHttpHandler } from '@smithy/node-http-handler';

export const world = JSON.parse(readFileSync(process.env.EPI_CLIENTTEST_WORLD, 'utf8'));

/** config is what a client of a caller is made of; without a caller the default chain of the SDK finds credentials. */
export function config(credentials) {
  return {
    endpoint: world.url,
    region: world.region,
    maxAttempts: 1,
    forcePathStyle: true,
    requestHandler: new NodeHttpHandler({ connectionTimeout: 5000 }),
    ...(credentials && { credentials }),
  };
}

/** refused is the check of assert.rejects for an error's name and HTTP status. */
export function refused(name, status) {
  return error => {
    const got = `${error.name} ${error.$metadata?.httpStatusCode}`;
    if (got !== `${name} ${status}`) {
      throw new Error(`got ${got} (${error.message}), want ${name} ${status}`);
    }
    return true;
  };
}
