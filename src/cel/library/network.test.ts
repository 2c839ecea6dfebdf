import { expect, test } from "vitest";
import { evaluatorOf } from "../../../test/evaluate-expression.ts";
import { cidrLibrary } from "./kubernetes/cidr.ts";
import { ipLibrary } from "./kubernetes/ip.ts";
import { networkLibrary } from "./network.ts";

const evaluate = evaluatorOf({ libraries: [networkLibrary] });
const evaluateInKubernetes = evaluatorOf({ libraries: [ipLibrary, cidrLibrary] });

test.each([
  ["string(ip('192.168.0.1'))", "192.168.0.1"],
  ["string(ip('2001:DB8::0:0:0:ABCD'))", "2001:db8::abcd"],
  ["ip('192.168.0.1.0')", "CEL_INVALID_ARGUMENT"],
  ["ip('::ffff:1.2.3.4')", "CEL_INVALID_ARGUMENT"],
  ["ip('fe80::1%en0')", "CEL_INVALID_ARGUMENT"],
  ["type(ip('::1')) == net.IP", true],
  ["isIP('127.0.0.1')", true],
  ["isIP('127.0.0.01')", false],
  ["isIP('127.0.0.256')", false],
  ["isIP(':::1')", false],
  ["ip.isCanonical('127.0.0.1')", true],
  ["ip.isCanonical('2001:db8::abcd')", true],
  ["ip.isCanonical('2001:db8::0:0:0:abcd')", false],
  ["ip.isCanonical('x')", "CEL_INVALID_ARGUMENT"],
  ["ip('1.2.3.4') == ip('1.2.3.4') && ip('::1') != ip('::2') && ip('0.0.0.1') != ip('::1')", true],
  ["[ip('1.2.3.4').family(), ip('::').family()]", [4, 6]],
  ["ip('0.0.0.0').isUnspecified() && ip('::').isUnspecified() && !ip('::1').isUnspecified()", true],
  ["ip('127.9.9.9').isLoopback() && ip('::1').isLoopback() && !ip('128.0.0.1').isLoopback()", true],
  ["ip('224.0.0.1').isLinkLocalMulticast() && ip('ff02::1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()", true],
  ["ip('169.254.1.1').isLinkLocalUnicast() && ip('fe80::1').isLinkLocalUnicast() && !ip('fd80::1').isLinkLocalUnicast()", true],
  ["ip('192.168.0.1').isGlobalUnicast() && ip('2001:db8::1').isGlobalUnicast()", true],
  ["['255.255.255.255', '0.0.0.0', '127.0.0.1', 'ff00::1', 'fe80::1'].exists(a, ip(a).isGlobalUnicast())", false],
  ["string(cidr('192.168.0.1/24'))", "192.168.0.1/24"],
  ["type(cidr('::1/128')) == net.CIDR", true],
  ["cidr('192.168.0.0/')", "CEL_INVALID_ARGUMENT"],
  ["cidr('::ffff:1.2.3.4/96')", "CEL_INVALID_ARGUMENT"],
  ["isCIDR('192.168.0.0/16') && isCIDR('::1/128')", true],
  ["['192.168.0.0/33', '192.168.0.0', '::1/129', '10.0.0.0/08', '10.0.0.0/+8'].exists(c, isCIDR(c))", false],
  ["cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')) && cidr('192.168.0.0/24').containsIP('192.168.0.255')", true],
  ["cidr('192.168.0.0/24').containsIP('192.168.1.1') || cidr('0.0.0.0/0').containsIP('::')", false],
  ["cidr('192.168.0.0/24').containsIP('x')", "CEL_INVALID_ARGUMENT"],
  ["cidr('192.168.0.0/16').containsCIDR(cidr('192.168.10.0/24')) && cidr('::/0').containsCIDR('2001:db8::/32')", true],
  ["cidr('192.168.10.0/24').containsCIDR('192.168.0.0/16') || cidr('10.0.0.0/8').containsCIDR('11.0.0.0/9')", false],
  ["cidr('10.0.0.0/8').containsCIDR('10.0.0.0')", "CEL_INVALID_ARGUMENT"],
  ["string(cidr('192.168.1.5/24').ip())", "192.168.1.5"],
  ["string(cidr('192.168.1.5/20').masked())", "192.168.0.0/20"],
  ["cidr('192.168.1.5/24') == cidr('192.168.1.5/24').masked()", false],
  ["cidr('2001:db8::/32').prefixLength()", 32],
])("%s is %j", (text, expected) => {
  expect(evaluate(text).result).toEqual(expected);
  expect(evaluateInKubernetes(text).result).toEqual(expected);
});

test("isMask is cel-go's alone", () => {
  expect(evaluate("cidr('192.168.1.0/24').isMask() && !cidr('192.168.1.5/24').isMask()").result).toBe(true);
  expect(evaluateInKubernetes("cidr('192.168.1.0/24').isMask()").result).toBe("CEL_UNKNOWN_FUNCTION");
});

// As apiserver's cost estimator gives them.
test.each([
  ["ip('192.168.0.1')", 2],
  ["isIP('2001:db8:3333:4444:5555:6666:7777:8888')", 4],
  ["ip.isCanonical('192.168.0.1')", 3],
  ["ip('192.168.0.1').family()", 3],
  ["cidr('192.168.0.0/16').containsIP(ip('192.168.0.1'))", 5],
  ["cidr('192.168.0.0/16').containsIP('192.168.0.1')", 5],
  ["cidr('2001:db8::/32').containsIP('2001:db8::1')", 5],
  ["cidr('192.168.0.0/16').containsCIDR(cidr('192.168.0.0/24'))", 7],
  ["cidr('192.168.0.0/16').containsCIDR('192.168.0.0/24')", 7],
  ["cidr('192.168.0.0/16').masked()", 3],
])("%s costs %i", (text, cost) => expect(evaluate(text).cost).toBe(cost));
