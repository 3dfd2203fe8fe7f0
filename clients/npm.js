// The client that ipdata publishes for Node. Its address is fixed, so it is given a proxy: it sends whole URLs in the clear.
"use strict";

const IPData = require("ipdata").default;

let failed = 0;

function tell(what, good, found, wanted) {
    if (good) {
        console.log(`ok   npm ipdata 2.2.4: ${what}`);
        return;
    }
    failed += 1;
    console.log(`FAIL npm ipdata 2.2.4: ${what}: found ${JSON.stringify(found)}, wanted ${JSON.stringify(wanted)}`);
}

// That a call returns what is wanted. Whatever it throws fails this check and no other.
async function equal(what, call, wanted) {
    let found;
    try {
        found = await call();
    } catch (error) {
        found = `${error}`;
    }
    tell(what, JSON.stringify(found) === JSON.stringify(wanted), found, wanted);
}

// The client remembers answers by address, so each call gets a new one.
const client = (key = process.env.GEORUSH_KEY) => new IPData(key);
const told = (answer) => [answer.status, answer.message];
const V6 = "2001:4860:4860::8888";

async function run() {
    const eight = await client().lookup("8.8.8.8");
    await equal("8.8.8.8", () => [eight.ip, eight.country_code, eight.asn.asn, eight.status], ["8.8.8.8", "US", "AS15169", 200]);
    await equal("41.128.21.123", async () => (await client().lookup("41.128.21.123")).country_code, "EG");
    await equal("5.9.0.1", async () => (await client().lookup("5.9.0.1")).country_code, "DE");
    await equal("an IPv6 address", async () => (await client().lookup(V6)).asn.asn, "AS15169");
    await equal("types", () => ["is_eu", "latitude", "currency", "threat", "count"].map((field) => typeof eight[field]), [
        "boolean", "number", "object", "object", "string",
    ]);
    await equal("languages are a list", () => Array.isArray(eight.languages), true);
    await equal("the count is digits", () => /^[0-9]+$/.test(eight.count), true);
    await equal("own address, a private one", async () => told(await client().lookup()), [400, "127.0.0.1 is a private IP address"]);
    await equal("chosen fields", () => client().lookup("8.8.8.8", null, ["ip", "country_code"]), {
        ip: "8.8.8.8", country_code: "US", status: 200,
    });
    for (const [field, wanted] of [["country_name", "United States"], ["is_eu", false], ["city", null]]) {
        await equal(`the field ${field}`, () => client().lookup("8.8.8.8", field), { [field]: wanted, status: 200 });
    }
    await equal("the field asn", async () => (await client().lookup("8.8.8.8", "asn")).asn.asn, "AS15169");
    await equal("a bad field is refused by the client", () => client().lookup("8.8.8.8", "bleh"), "Error: bleh is not a valid field.");
    await equal("a private address", async () => told(await client().lookup("10.0.0.1")), [400, "10.0.0.1 is a private IP address"]);
    await equal("bulk of 3, in order", async () => (await client().bulkLookup(["8.8.8.8", "41.128.21.123", V6])).map((one) => one.ip), [
        "8.8.8.8", "41.128.21.123", V6,
    ]);
    const many = Array.from({ length: 101 }, (_, number) => `8.8.${number}.8`);
    await equal("bulk of 100, in order", async () => (await client().bulkLookup(many.slice(0, 100))).map((one) => one.ip), many.slice(0, 100));
    await equal("bulk of 101", async () => told(await client().bulkLookup(many)), [
        400, "Bulk requests should not contain more than 100 IP addresses.",
    ]);
    await equal("bulk with chosen fields", async () => (await client().bulkLookup(["8.8.8.8", "5.9.0.1"], ["ip", "country_code"])), [
        { ip: "8.8.8.8", country_code: "US", status: 200 }, { ip: "5.9.0.1", country_code: "DE", status: 200 },
    ]);
    await equal("a wrong key", async () => told(await client("nobodys").lookup("8.8.8.8")), [401, "You have not provided a valid API Key."]);
    await equal("the free quota", async () => {
        const statuses = [];
        for (const _ of [1, 2, 3]) {
            statuses.push((await client("free-npm").lookup("8.8.8.8")).status);
        }
        return statuses;
    }, [200, 200, 403]);
    await equal("beyond the free quota", async () => told(await client("free-npm").lookup("8.8.8.8")), [
        403, "You have exceeded your free quota. Upgrade to a paid plan to re-activate your account.",
    ]);
}

run().then(() => process.exit(failed > 0 ? 1 : 0));
