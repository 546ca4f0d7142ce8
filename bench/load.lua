-- wrk: posts the lines of the file REQUESTS (path, header's name, its value, body; tabs between) in their order.
local requests, n = {}, 0

function init()
  for line in io.lines(os.getenv("REQUESTS")) do
    local path, name, value, body = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = {["Content-Type"] = "application/json", [name] = value}
    requests[#requests + 1] = wrk.format("POST", path, headers, body)
  end
end

function request()
  n = n % #requests + 1
  return requests[n]
end

function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99), e.status + e.connect + e.read + e.write + e.timeout))
end
