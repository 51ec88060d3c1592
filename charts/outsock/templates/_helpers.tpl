{{- define "outsock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "outsock.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "outsock.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "outsock.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Cluster-wide objects carry the namespace too: two releases must not share one. */}}
{{- define "outsock.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "outsock.fullname" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{/* Call with (list $ "component"). */}}
{{- define "outsock.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "outsock.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "outsock.labels" -}}
{{- $root := index . 0 -}}
{{ include "outsock.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: outsock
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Call with (list $ "name" "whole reference or empty"). */}}
{{- define "outsock.image" -}}
{{- $root := index . 0 -}}
{{- if index . 2 -}}
{{- index . 2 -}}
{{- else -}}
{{- with $root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- with $root.Values.image.prefix }}{{ trimSuffix "/" . }}/{{ end -}}
{{- index . 1 }}:{{ default $root.Chart.AppVersion $root.Values.image.tag -}}
{{- end -}}
{{- end -}}

{{- define "outsock.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the Pod Security level "restricted" asks of a pod and of a container. */}}
{{- define "outsock.restrictedPod" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
seccompProfile: { type: RuntimeDefault }
{{- end -}}

{{- define "outsock.restrictedContainer" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}

{{/* Names that controller, webhook and hook must agree on. */}}
{{- define "outsock.controllerName" -}}
{{ include "outsock.fullname" . }}-controller
{{- end -}}
{{- define "outsock.certificateSecret" -}}
{{ include "outsock.controllerName" . }}-certificate
{{- end -}}

{{/* Namespaces that the webhook never sees, as a JSON list. */}}
{{- define "outsock.excludedNamespaces" -}}
{{- uniq (concat (list "kube-system" .Release.Namespace) .Values.webhook.excludedNamespaces) | toJson -}}
{{- end -}}

{{/* The controller's settings, of the hook too. */}}
{{- define "outsock.controllerEnv" -}}
- { name: OUTSOCK_NAMESPACE, value: {{ .Release.Namespace | quote }} }
- name: OUTSOCK_POD_NAME
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- { name: OUTSOCK_GUEST_IMAGE, value: {{ include "outsock.image" (list . "guest" .Values.guest.image) | quote }} }
- { name: OUTSOCK_WEBHOOK_CONFIGURATION, value: {{ include "outsock.clusterName" . | quote }} }
- { name: OUTSOCK_WEBHOOK_SERVICE, value: {{ include "outsock.controllerName" . | quote }} }
- { name: OUTSOCK_CERTIFICATE_SECRET, value: {{ include "outsock.certificateSecret" . | quote }} }
- { name: OUTSOCK_LEASE, value: {{ include "outsock.controllerName" . | quote }} }
- { name: OUTSOCK_AGENT_SELECTOR, value: app.kubernetes.io/component=agent }
- { name: OUTSOCK_AGENT_PORT, value: {{ .Values.agent.port | quote }} }
- { name: OUTSOCK_WEBHOOK_PORT, value: "9443" }
- { name: OUTSOCK_HTTP_PORT, value: "9111" }
- { name: OUTSOCK_LOG_LEVEL, value: {{ .Values.controller.logLevel | quote }} }
- { name: OUTSOCK_CONTROLLER_DEPLOYMENT, value: {{ include "outsock.controllerName" . | quote }} }
- { name: OUTSOCK_UNINSTALL_TIMEOUT, value: {{ .Values.uninstall.timeoutSeconds | quote }} }
# Helm leaves the resource alone where it is told to keep it, and where it did not make it.
- { name: OUTSOCK_KEEP_VIRTUAL_MACHINES, value: {{ or .Values.crds.keep (not .Values.crds.install) | quote }} }
- { name: OUTSOCK_EXCLUDED_NAMESPACES, value: {{ include "outsock.excludedNamespaces" . | fromJsonArray | join "," | quote }} }
{{- end -}}
