-- Health of a ClusterHealthSpec for Argo CD. A spec that the operator has yet
-- to take up, or whose checks have yet to run for it, is progressing; a real
-- outage is degraded, so that a sync that waits ends. What was said of a former
-- generation counts for nothing: a spec that was just mended is not degraded.
local hs = { status = "Progressing", message = "the operator has yet to take up the spec" }
local status = obj.status
if status == nil or status.observedGeneration ~= obj.metadata.generation then
  return hs
end
for _, condition in ipairs(status.conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" then
    hs.status = "Degraded"
    hs.message = condition.message
    return hs
  end
end
if status.healthGeneration ~= obj.metadata.generation then
  hs.message = "the checks have yet to run for this generation of the spec"
  return hs
end
if obj.spec.suspend then
  hs.status = "Suspended"
  hs.message = "the spec is suspended"
  return hs
end
hs.message = status.message or ""
if status.overall == "Unknown" then
  hs.status = "Unknown"
-- Both times are in UTC and written alike, so that they compare as text.
elseif status.validUntil == nil or status.validUntil < os.date("!%Y-%m-%dT%H:%M:%SZ") then
  hs.status = "Unknown"
  hs.message = "the overall status ran out and nothing renewed it"
elseif status.overall == "Success" then
  hs.status = "Healthy"
elseif status.overall == "Failure" or status.overall == "Error" then
  hs.status = "Degraded"
end
return hs
