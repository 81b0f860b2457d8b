{{- define "name" -}}
{{- /* The alerts know a CronJob by how its name ends. 52 characters are the most that one may have. */ -}}
{{- if eq "token-janitor" .Release.Name }}token-janitor{{ else }}{{ printf "%s-token-janitor" (.Release.Name | trunc 38 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- /* What selects the pods of this release. */ -}}
{{- define "selector" -}}
app.kubernetes.io/name: token-janitor
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: {{ if eq .Values.mode "cronjob" }}once{{ else }}daemon{{ end }}
{{- end }}

{{- define "labels" -}}
{{ include "selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* The pod, but for the container's own part, which each mode has. */ -}}
{{- define "pod" -}}
automountServiceAccountToken: false
# Or a Service named token-janitor would put TOKEN_JANITOR_PORT and its like here.
enableServiceLinks: false
# Above --shutdown-timeout, 10s.
terminationGracePeriodSeconds: 20
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "container" -}}
name: token-janitor
image: {{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "env" -}}
- name: DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.secret }}
      key: {{ .Values.database.key }}
{{- if eq .Values.mode "cronjob" }}
- name: TOKEN_JANITOR_PUSH_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.cronjob.push.secret }}
      key: {{ .Values.cronjob.push.key }}
      optional: true
{{- end }}
{{- if not (hasKey .Values.env "TOKEN_JANITOR_LOG_FORMAT") }}
- name: TOKEN_JANITOR_LOG_FORMAT
  value: json
{{- end }}
{{- range $name, $value := .Values.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
