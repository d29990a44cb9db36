/*
 * A board that updates itself by Zephyr's own hawkBit client. What the client leaves to its application is here: its certificate, its
 * identity, a heartbeat that says which version runs (the client's attributes name none), and the reset after an installation.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zephyr/dfu/mcuboot.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/mgmt/hawkbit.h>
#include <zephyr/net/http/client.h>
#include <zephyr/net/socket.h>
#include <zephyr/net/tls_credentials.h>
#include <zephyr/random/rand32.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/reboot.h>

#include "cmdline.h"
#include "posix_board_if.h"
#include "soc.h"

LOG_MODULE_REGISTER(board, LOG_LEVEL_INF);

/* The client looks for its credentials under this tag. */
#define TAG 1
#define PROBE_EVERY K_SECONDS(1)

static const char *ca_path, *cert_path, *key_path, *serial;

static void add_options(void)
{
	static struct args_struct_t options[] = {
		{.option = "ca", .name = "path", .type = 's', .dest = (void *)&ca_path, .descript = "CA of the server, PEM"},
		{.option = "cert", .name = "path", .type = 's', .dest = (void *)&cert_path, .descript = "own certificate, PEM"},
		{.option = "key", .name = "path", .type = 's', .dest = (void *)&key_path, .descript = "own key, PEM"},
		{.option = "serial", .name = "text", .type = 's', .dest = (void *)&serial, .descript = "serial number of the board"},
		ARG_TABLE_ENDMARKER};

	native_add_command_line_opts(options);
}
NATIVE_TASK(add_options, PRE_BOOT_1, 1);

ssize_t z_impl_hwinfo_get_device_id(uint8_t *buffer, size_t length)
{
	size_t size = MIN(strlen(serial), length);

	memcpy(buffer, serial, size);
	return size;
}

/* A reset ends the process; the boot loader starts it again. */
void sys_arch_reboot(int type)
{
	ARG_UNUSED(type);
	posix_exit(0);
}

static void add_credential(enum tls_credential_type type, const char *path)
{
	/* Kept for as long as the board runs: the stack refers to it. */
	static char kept[3][4096];
	static size_t used;
	char *text = kept[used++];
	FILE *file = fopen(path, "r");
	size_t size = file == NULL ? 0 : fread(text, 1, sizeof(kept[0]) - 1, file);

	if (size == 0 || tls_credential_add(TAG, type, text, size + 1) != 0) {
		LOG_ERR("cannot use %s", path);
		posix_exit(2);
	}
	fclose(file);
}

static int connect_to_server(void)
{
	sec_tag_t tags[] = {TAG};
	struct zsock_addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *address;

	if (zsock_getaddrinfo(CONFIG_HAWKBIT_SERVER, CONFIG_HAWKBIT_PORT, &hints, &address) != 0) {
		return -1;
	}
	int sock = zsock_socket(AF_INET, SOCK_STREAM, IPPROTO_TLS_1_2);

	zsock_setsockopt(sock, SOL_TLS, TLS_SEC_TAG_LIST, tags, sizeof(tags));
	zsock_setsockopt(sock, SOL_TLS, TLS_HOSTNAME, CONFIG_HAWKBIT_SERVER, sizeof(CONFIG_HAWKBIT_SERVER));
	if (zsock_connect(sock, address->ai_addr, address->ai_addrlen) < 0) {
		zsock_close(sock);
		sock = -1;
	}
	zsock_freeaddrinfo(address);
	return sock;
}

static bool taken;

static void on_answer(struct http_response *answer, enum http_final_call final, void *user)
{
	ARG_UNUSED(user);
	if (final == HTTP_DATA_FINAL) {
		taken = answer->http_status_code == 200;
	}
}

/* [docs/protocol/device.md] What runs, by the header of its image, and which boot it is. */
static void tell_version(void)
{
	static uint8_t received[1024];
	char body[320];
	struct mcuboot_img_header header;
	int sock = connect_to_server();

	if (sock < 0 || boot_read_bank_header(FIXED_PARTITION_ID(slot0_partition), &header, sizeof(header)) != 0) {
		LOG_ERR("cannot tell the version: %d", errno);
		return;
	}
	snprintf(body, sizeof(body),
		 "{\"seq\":1,\"bootId\":\"%08x%08x\",\"uptimeS\":1,\"monoS\":1,\"leaseS\":600,\"clock\":\"none\","
		 "\"firmware\":{\"version\":\"%d.%d.%d\",\"state\":\"confirmed\"}}",
		 sys_rand32_get(), sys_rand32_get(), header.h.v1.sem_ver.major, header.h.v1.sem_ver.minor,
		 header.h.v1.sem_ver.revision);
	struct http_request request = {.method = HTTP_POST,
				       .url = "/v1/heartbeat",
				       .host = CONFIG_HAWKBIT_SERVER,
				       .port = CONFIG_HAWKBIT_PORT,
				       .protocol = "HTTP/1.1",
				       .content_type_value = "application/json",
				       .payload = body,
				       .payload_len = strlen(body),
				       .response = on_answer,
				       .recv_buf = received,
				       .recv_buf_len = sizeof(received)};

	http_client_req(sock, &request, 10 * MSEC_PER_SEC, NULL);
	zsock_close(sock);
	LOG_INF("heartbeat %s: %s", taken ? "taken" : "refused", body);
}

int main(void)
{
	add_credential(TLS_CREDENTIAL_CA_CERTIFICATE, ca_path);
	add_credential(TLS_CREDENTIAL_SERVER_CERTIFICATE, cert_path);
	add_credential(TLS_CREDENTIAL_PRIVATE_KEY, key_path);
	if (hawkbit_init() < 0) {
		posix_exit(3);
	}
	while (!taken) {
		tell_version();
		k_sleep(PROBE_EVERY);
	}
	for (;;) {
		if (hawkbit_probe() == HAWKBIT_UPDATE_INSTALLED) {
			LOG_INF("installed, resetting");
			sys_reboot(SYS_REBOOT_WARM);
		}
		k_sleep(PROBE_EVERY);
	}
}
