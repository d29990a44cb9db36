/** What a device's trust level (0 to 4) says about its key. */
export const trustLevels: readonly { name: string; meaning: string }[] = [
  { name: "Software key, approved by hand", meaning: "A person let it in; the key is a file." },
  { name: "Software key, expected serial", meaning: "Its serial number stood in a manifest; the key is a file." },
  { name: "Secure element", meaning: "The key was made in a chip and cannot leave it." },
  { name: "TPM", meaning: "The key lives in a TPM that its maker vouches for." },
  { name: "Attested", meaning: "Key and running software are proven by the hardware." },
];
