import type { Scope } from "@tenfold/base";
import { deviceIdPattern } from "@tenfold/contracts";
import { type AlternativeName, type Certificate, commonNameOf, makeName, type Name, oids, serialNumberOf } from "@tenfold/pki";

/** The subject of an operational certificate: its CN is the device's id, and nothing else is. */
export const deviceName = (device: string): Name => makeName([{ type: oids.commonName, value: device }]);

export const deviceUri = ({ fleet }: Scope, device: string): AlternativeName => ({
  kind: "uri",
  value: `urn:tenfold:${fleet}:device:${device}`,
});

/** [IEEE 802.1AR 8.6] The serial number that a manufacturer's certificate names: subject serialNumber, else its CN. */
export const serialOf = (idevid: Certificate): string | undefined => serialNumberOf(idevid.subject) ?? commonNameOf(idevid.subject);

/** Whether a serial number can be a device's id: it will stand in a CN and in topics. */
export const isUsableSerial = (serial: string): boolean => deviceIdPattern.test(serial);
