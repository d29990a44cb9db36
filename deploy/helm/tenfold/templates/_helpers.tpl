{{- define "tenfold.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}

{{- define "tenfold.labels" -}}
app.kubernetes.io/name: tenfold
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "tenfold.selector" -}}
app.kubernetes.io/name: tenfold
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "tenfold.environment" -}}
- { name: TENFOLD_HTTP_HOST, value: "0.0.0.0" }
- { name: TENFOLD_DEVICE_HOSTNAMES, value: {{ join "," .Values.deviceHostnames | quote }} }
- name: TENFOLD_DATABASE_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: database-url } }
- name: TENFOLD_CLICKHOUSE_URL
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: clickhouse-url } }
- { name: TENFOLD_NATS_URL, value: {{ .Values.nats.url | quote }} }
- { name: TENFOLD_NATS_SYNC, value: {{ .Values.nats.sync }} }
- { name: TENFOLD_NATS_REPLICAS, value: {{ .Values.nats.replicas | quote }} }
{{- with .Values.nats.monitorUrls }}
- { name: TENFOLD_NATS_MONITOR_URL, value: {{ join "," . | quote }} }
{{- end }}
{{- with .Values.devicePublicUrl }}
- { name: TENFOLD_DEVICE_PUBLIC_URL, value: {{ . | quote }} }
{{- end }}
{{- with .Values.publicUrl }}
- { name: TENFOLD_PUBLIC_URL, value: {{ . | quote }} }
{{- end }}
{{- if .Values.artifacts.s3.bucket }}
- { name: TENFOLD_S3_BUCKET, value: {{ .Values.artifacts.s3.bucket | quote }} }
- { name: TENFOLD_S3_REGION, value: {{ .Values.artifacts.s3.region | quote }} }
{{- with .Values.artifacts.s3.endpoint }}
- { name: TENFOLD_S3_ENDPOINT, value: {{ . | quote }} }
{{- end }}
- name: TENFOLD_S3_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: s3-access-key } }
- name: TENFOLD_S3_SECRET
  valueFrom: { secretKeyRef: { name: {{ .Values.existingSecret }}, key: s3-secret } }
{{- else }}
- { name: TENFOLD_BLOBS_DIR, value: /var/lib/tenfold-artifacts }
{{- end }}
{{- range $name, $value := .Values.settings }}
- { name: {{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}

{{- define "tenfold.pod" -}}
{{- $root := .root }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 30
securityContext: { runAsNonRoot: true, runAsUser: 10001, runAsGroup: 10001, fsGroup: 10001, seccompProfile: { type: RuntimeDefault } }
{{- with $root.Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{ include "tenfold.selector" . | nindent 8 }}
containers:
  - name: tenfold
    image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: [--roles, {{ .roles | quote }}]
    env:
      {{- include "tenfold.environment" $root | nindent 6 }}
      {{- if eq .role "links" }}
      - { name: TENFOLD_MQTT_MAX_CONNECTIONS, value: {{ $root.Values.links.maxConnections | int | quote }} }
      {{- end }}
    ports:
      - { name: http, containerPort: 8080 }
      {{- if eq .role "links" }}
      - { name: mqtt, containerPort: 8883 }
      - { name: https, containerPort: 8443 }
      {{- end }}
    # Alive means that the process answers. Ready means that what it stands on does: without NATS or PostgreSQL a restart would help nobody.
    startupProbe: { httpGet: { path: /livez, port: http }, periodSeconds: 2, failureThreshold: 60 }
    livenessProbe: { httpGet: { path: /livez, port: http }, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6 }
    readinessProbe: { httpGet: { path: /readyz, port: http }, periodSeconds: 5, timeoutSeconds: 4, failureThreshold: 2 }
    {{- if eq .role "links" }}
    # The balancer hears first; then devices are told to come back elsewhere.
    lifecycle: { preStop: { exec: { command: [node, -e, "setTimeout(() => {}, 8000)"] } } }
    {{- end }}
    resources: {{ toYaml .resources | nindent 6 }}
    securityContext: { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }
    volumeMounts:
      - { name: data, mountPath: /var/lib/tenfold }
      - { name: tmp, mountPath: /tmp }
      {{- if not $root.Values.artifacts.s3.bucket }}
      - { name: artifacts, mountPath: /var/lib/tenfold-artifacts }
      {{- end }}
volumes:
  - { name: tmp, emptyDir: {} }
  {{- if ne .role "api" }}
  - { name: data, emptyDir: {} }
  {{- end }}
  {{- if not $root.Values.artifacts.s3.bucket }}
  - name: artifacts
    persistentVolumeClaim: { claimName: {{ required "artifacts.s3.bucket or artifacts.existingClaim is needed" $root.Values.artifacts.existingClaim }} }
  {{- end }}
{{- end }}
