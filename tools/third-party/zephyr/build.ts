/** Zephyr's hawkBit client as a process: built from an unchanged workspace, with the board's application from here. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { providePython } from "../python.ts";

const run = promisify(execFile);

/** A workspace of west (3.4): `zephyr`, `bootloader/mcuboot`, `modules/crypto/mbedtls`. */
const workspaceVariable = "TENFOLD_TEST_ZEPHYR";
const application = resolve("tools/third-party/zephyr/app");
const buildFolder = resolve(".tools/third-party/zephyr");
const parts = ["zephyr/subsys/mgmt/hawkbit/hawkbit.c", "bootloader/mcuboot/scripts/imgtool.py", "modules/crypto/mbedtls/library"];
const packages = ["pykwalify", "pyelftools", "PyYAML", "packaging", "cbor2", "intelhex", "click", "cryptography"];
const buildMs = 900_000;

export type Built = { program: string; python: string; imgtool: string };

/** The board's program and MCUboot's own `imgtool`; or why there is none. */
export async function provideBoard(): Promise<Built | { missing: string }> {
  const workspace = process.env[workspaceVariable];
  if (workspace === undefined)
    return {
      missing: `${workspaceVariable} names no workspace of Zephyr 3.4 (west init -m https://github.com/zephyrproject-rtos/zephyr --mr v3.4.0)`,
    };
  const absent = parts.find((part) => !existsSync(join(workspace, part)));
  if (absent !== undefined) return { missing: `${workspace} (${workspaceVariable}) has no ${absent}` };
  const python = providePython("zephyr", packages);
  if ("missing" in python) return python;
  try {
    await build(workspace, python.python);
  } catch (error) {
    const { stdout = "", stderr = "", message = "" } = error as { stdout?: string; stderr?: string; message?: string };
    throw new Error(
      `zephyr: the board does not build: ${message.split("\n")[0]}\n${`${stdout}${stderr}`.split("\n").slice(-30).join("\n")}`,
    );
  }
  return {
    program: join(buildFolder, "zephyr", "zephyr.exe"),
    python: python.python,
    imgtool: join(workspace, "bootloader/mcuboot/scripts/imgtool.py"),
  };
}

async function build(workspace: string, python: string): Promise<void> {
  const modules = ["bootloader/mcuboot", "modules/crypto/mbedtls"].map((one) => join(workspace, one)).join(";");
  const env = { ...process.env, ZEPHYR_BASE: join(workspace, "zephyr"), ZEPHYR_TOOLCHAIN_VARIANT: "host" };
  const options = ["-DBOARD=native_posix", `-DZEPHYR_MODULES=${modules}`, `-DPython3_EXECUTABLE=${python}`];
  console.log("  building the board …");
  await run("cmake", ["-GNinja", "-B", buildFolder, ...options, application], { env, timeout: buildMs, maxBuffer: 1 << 28 });
  await run("ninja", ["-C", buildFolder], { env, timeout: buildMs, maxBuffer: 1 << 28 });
}
