// For the container's HEALTHCHECK: exit 0 only when /health says healthy.
'use strict';
fetch('http://localhost:3000/health', { signal: AbortSignal.timeout(3000) })
  .then(async (answer) => process.exit(answer.ok && (await answer.json()).status === 'healthy' ? 0 : 1))
  .catch(() => process.exit(1));
