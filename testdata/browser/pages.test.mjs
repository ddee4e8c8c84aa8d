// The pages that a person meets who opens the gateway's addresses in a browser.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';

const liaison = process.env.LIAISON;
assert.ok(liaison, 'LIAISON names the program');

const dir = mkdtempSync(join(tmpdir(), 'liaison-browser-'));
const data = join(dir, 'gateway');
let gateway, url, browser, invitation;

function run(...args) {
  return execFileSync(liaison, ['--data', data, ...args], { encoding: 'utf8' });
}

before(async () => {
  run('init', '--listen', '127.0.0.1:0');
  gateway = spawn(liaison, ['--data', data, 'serve'], { stdio: ['ignore', 'pipe', 'inherit'] });
  url = await new Promise((resolve, reject) => {
    let out = '';
    gateway.stdout.on('data', (chunk) => {
      out += chunk;
      const line = /^serving (https:\S+)$/m.exec(out);
      if (line) resolve(line[1]);
    });
    gateway.on('exit', (code) => reject(new Error(`serve ended with ${code}: ${out}`)));
  });
  run('operation', 'create', 'secure', '--title', 'Operation Secure', '--countries', 'VN');
  run('partner', 'create', 'vn-police', '--role', 'agency', '--name', 'Police of <b>Viet Nam</b>',
    '--operation', 'secure', '--countries', 'VN');
  invitation = JSON.parse(run('--json', 'partner', 'invite', 'vn-police')).url;
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});

after(async () => {
  await browser?.close();
  if (gateway && gateway.exitCode === null) {
    const ended = new Promise((resolve) => gateway.on('exit', resolve));
    gateway.kill('SIGTERM');
    await ended;
  }
  rmSync(dir, { recursive: true, force: true });
});

// open shows a page and gives its text; nothing on it may fail to load or write to the console.
async function open(address) {
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  const complaints = [];
  page.on('console', (m) => complaints.push(m.text()));
  page.on('pageerror', (e) => complaints.push(String(e)));
  page.on('requestfailed', (r) => complaints.push(`${r.url()} failed`));
  const response = await page.goto(address);
  const seen = { status: response.status(), text: await page.innerText('body'), title: await page.title(), complaints };
  if (process.env.SCREENSHOTS) {
    await page.screenshot({ path: join(process.env.SCREENSHOTS, `${new URL(address).pathname.replaceAll('/', '_').slice(0, 12)}.png`) });
  }
  await page.close();
  return seen;
}

test('discovery explains itself to a browser', async () => {
  const seen = await open(`${url}/taxii2/`);
  assert.equal(seen.status, 200);
  assert.match(seen.text, /TAXII 2\.1/);
  assert.match(seen.text, /application\/taxii\+json;version=2\.1/);
  assert.ok(seen.text.includes(`${url}/taxii2/`), seen.text);
  assert.deepEqual(seen.complaints, []);
});

test('an invitation says what to run, and is not used up by looking', async () => {
  for (let i = 0; i < 2; i++) {
    const seen = await open(invitation);
    assert.equal(seen.status, 200);
    assert.match(seen.text, /liaison join/);
    assert.deepEqual(seen.complaints, []);
  }
  run('join', invitation, '--out', join(dir, 'vn-police'));
});

test('a used or invented invitation tells nothing', async () => {
  const used = await open(invitation);
  const invented = await open(invitation.replace(/join\/[^#]+/, 'join/' + 'A'.repeat(43)));
  assert.equal(used.status, invented.status);
  assert.equal(used.text, invented.text);
  assert.ok(!used.text.includes('vn-police'));
});
